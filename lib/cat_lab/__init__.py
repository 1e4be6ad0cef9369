"""Run the pipeline at a desk: notebook runner, report, command line, local AWS and sample data."""
