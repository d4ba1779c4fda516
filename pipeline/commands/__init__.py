"""What people type beside `dvc`: one module, one command of `cxr`."""
