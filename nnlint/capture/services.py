"""Services that would be told of a run which is none, and windows that would wait for somebody: off."""

from __future__ import annotations

import os
import sys
import tempfile
import types
from functools import partial
from pathlib import Path
from typing import Any

from nnlint.capture.shelter.imports import after_import

# How each is asked in the environment not to speak to anybody.
_QUIET = {
    "WANDB_MODE": "disabled",
    "WANDB_SILENT": "true",
    # Without it, MLflow 3 refuses folders.
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "COMET_MODE": "disabled",
    "NEPTUNE_MODE": "debug",
    "CLEARML_OFFLINE_MODE": "1",
    "SWANLAB_MODE": "disabled",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MPLBACKEND": "Agg",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def switch_off() -> None:
    """For this process and those that it starts; for W&B and MLflow here also where the script insists."""
    # A folder like any other, which every shelter throws away and gives to each continuation by itself.
    runs = Path(tempfile.gettempdir(), f"mlruns-{os.getpid()}").as_uri()
    os.environ.update(_QUIET, MLFLOW_TRACKING_URI=runs)
    sys.dont_write_bytecode = True
    after_import({"wandb": _no_wandb, "mlflow": partial(_no_mlflow, runs)})


def stay_the_same() -> None:
    """In a process forked from the script, which is not to notice: MLflow would forget its run."""
    fluent = sys.modules.get("mlflow.tracking.fluent")
    for variable in list(vars(fluent).values()) if fluent is not None else ():
        if type(variable).__name__ == "ThreadLocalVariable":
            value = getattr(variable.thread_local, "value", None)
            if isinstance(value, tuple):
                variable.set(value[0])


def _no_wandb(wandb: types.ModuleType) -> None:
    """A mode that the script gives would win over the environment's, in which it may set another, too."""
    begin = getattr(wandb, "init", None)
    if begin is None:
        return

    def init(*args: Any, **kwargs: Any) -> Any:
        return begin(*args, **{**kwargs, "mode": "disabled"})

    def login(*_: Any, **__: Any) -> bool:
        return True

    wandb.init, wandb.login = init, login  # type: ignore[attr-defined]


def _no_mlflow(runs: str, mlflow: Any) -> None:
    """A server that the script names would win over the environment's folder, wait for it or not."""
    client = getattr(mlflow, "MlflowClient", None)
    if client is None or not hasattr(mlflow, "set_tracking_uri"):
        return
    begin = client.__init__

    def init(self: Any, *_: Any, **__: Any) -> None:
        begin(self, tracking_uri=runs, registry_uri=runs)

    def ignore(*_: Any, **__: Any) -> None:
        pass

    client.__init__ = init
    mlflow.set_tracking_uri(runs)
    for module in (mlflow, mlflow.tracking):
        module.set_tracking_uri = module.set_registry_uri = ignore
