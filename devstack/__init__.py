"""The embedded stack: real servers on loopback, a product to move, the seeder, the demo, and the audit that checks it.

Here: what stands in for a company's machines, for `make up`, demo, bench, tests and docker compose. Not here: anything
that a migration needs to run. Not deployed: the package does not import it, the image lacks it.
"""
