"""What each task of the DAG does, one file a step."""
