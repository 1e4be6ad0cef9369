"""A local AWS for runs without an AWS account, and what runs on it: Glue job, JupyterLab."""

from cat_lab.local.aws import LocalAws, running
from cat_lab.local.bucket_snapshot import load_bucket, save_bucket
from cat_lab.local.glue_job import check_job
from cat_lab.local.jupyterlab import jupyterlab_options, run_jupyterlab
from cat_lab.local.provision import create_csv_trigger
from cat_lab.local.worker import JobRun, Worker

__all__ = [
    "JobRun",
    "LocalAws",
    "Worker",
    "check_job",
    "create_csv_trigger",
    "jupyterlab_options",
    "load_bucket",
    "run_jupyterlab",
    "running",
    "save_bucket",
]
