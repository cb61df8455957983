"""The command line, one verb a file.

A verb's file declares its options and imports nothing heavy at its top, so that help is
instant; what it needs to work comes in when it runs.
"""
