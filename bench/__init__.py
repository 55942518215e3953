"""`make bench`: the figures that the project promises, measured side by side with others on one machine and server.

Here: the parts (a file each), who is measured (the children), the store of arithmetic, goals and report. Not here:
what the demo or a test needs as well (devstack/). Not deployed: the package does not import it, the image lacks it.
"""
