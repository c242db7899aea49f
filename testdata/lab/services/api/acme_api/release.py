"""What build-index writes anew for each version: the name of its fault, a key of faults.py, or nothing for a good one."""
FAULT = ""
