"""Work that Dask places on workers: processes of this machine, of others, or of a job queue."""
