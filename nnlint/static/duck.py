"""What a thing is, from what made it, how it is used or annotated; its name is the last and weakest hint."""

from __future__ import annotations

import re

from nnlint.static import torch_api
from nnlint.static.scan import CALLED
from nnlint.static.values import Kind

# Accelerate's Accelerator and Lightning's Fabric have a `backward`, too.
ENGINE_METHODS = {
    "prepare", "unwrap_model", "setup", "setup_dataloaders", "is_main_process", "is_local_main_process",
    "accumulate", "gather", "wait_for_everyone", "launch", "clip_gradients", "clip_grad_norm_", "autocast",
    "no_sync", "save_state",
}  # fmt: skip

# Last resorts, used only beside evidence that the thing is called, stepped or iterated.
_OPTIMIZER = re.compile(r"(?:^|_)(?:optim\w*|opt|solver)(?:$|_|\d)|optimi[sz]er", re.IGNORECASE)
_SCHEDULER = re.compile(r"sched|(?:^|_)lr_(?:decay|policy)", re.IGNORECASE)
_MODULE = re.compile(
    r"(?:^|_)(?:model|net|network|generator|discriminator|critic|encoder|decoder|classifier|backbone|actor|policy|student|teacher|"
    r"net[GD]|[GD]|module)(?:$|_|\d)|(?:Net|Model|net|model)$"
)
# What belongs to a model and is none: `model_dim`, `encoder_outputs`, `net_config`.
_OF_MODULE = re.compile(
    r"_(?:\w*dims?|sizes?|names?|types?|paths?|dir|file\w*|cfg|config\w*|args|kwargs|params?|ids?|hiddens?|layers|depth|width|"
    r"outputs?|outs?|inputs?|states?|dict|lr|loss(?:es)?|rate|dropout|version|features?|channels?|embed\w*|masks?|lengths?|opts?|"
    r"heads|steps?|epochs?|dtype|device|url|key|index|idx|weights?)$"
)
_LOSS = re.compile(
    r"(?:^|_)(?:criteri\w*|crit|loss(?:_?(?:fn|func|function|f))?|loss_\w+)$|(?:loss|criterion)$",
    re.IGNORECASE,
)
_LOADER = re.compile(r"loader|(?:^|_)(?:train|val|valid|test|data)_?(?:iter|dl)(?:$|_)|^dl$", re.IGNORECASE)


def kind_by_use(name: str, uses: set[str]) -> Kind | None:
    """The kind that the attributes read from `name` prove, or that they and the name suggest together."""
    if "step" in uses and ("zero_grad" in uses or "param_groups" in uses):
        return Kind.OPTIMIZER if not uses & {"backward", "eval"} else None
    if "unscale_" in uses or {"scale", "update"} <= uses:
        return Kind.SCALER
    if uses & {"get_last_lr", "get_lr"} and "step" in uses:
        return Kind.SCHEDULER
    if "backward" in uses and "step" not in uses:
        return Kind.TENSOR if not uses & ENGINE_METHODS else None
    if uses & {"parameters", "named_parameters", "load_state_dict", "requires_grad_"} or (
        uses & {"eval", "train"} and CALLED in uses
    ):
        return Kind.MODULE if "step" not in uses else None
    if uses & {"eval"} and _MODULE.search(name):
        return Kind.MODULE
    if "step" in uses:
        if _SCHEDULER.search(name):
            return Kind.SCHEDULER
        if _OPTIMIZER.search(name):
            return Kind.OPTIMIZER
    if "zero_grad" in uses:
        return Kind.OPTIMIZER if _OPTIMIZER.search(name) else Kind.MODULE
    return None


def kind_by_name(name: str, uses: set[str]) -> Kind | None:
    """The kind that the name alone suggests; for parameters and attributes that nothing else explains."""
    if CALLED in uses and (_MODULE.search(name) or _LOSS.search(name)):
        return Kind.MODULE
    if _OPTIMIZER.search(name) and not _SCHEDULER.search(name) and CALLED not in uses:
        return Kind.OPTIMIZER
    if _SCHEDULER.search(name) and CALLED not in uses:
        return Kind.SCHEDULER
    if _LOADER.search(name) and CALLED not in uses:
        return Kind.LOADER
    if _MODULE.search(name) and not _OF_MODULE.search(name) and name != "D":
        return Kind.MODULE if not uses & {"fit", "predict", "append", "items", "keys"} else None
    return None


def kind_by_annotation(name: str) -> Kind | None:
    """The kind that an annotation's qualified name states."""
    if name.startswith("torch.optim.lr_scheduler") or name.endswith("LRScheduler"):
        return Kind.SCHEDULER
    if name.startswith("torch.optim"):
        return Kind.OPTIMIZER
    if name == "torch.nn.Parameter":
        return Kind.PARAMETER
    if name.startswith("torch.nn.") or name.endswith(("PreTrainedModel", "LightningModule")):
        return Kind.MODULE
    if name.startswith("torch.utils.data.DataLoader"):
        return Kind.LOADER
    if name.startswith("torch.utils.data."):
        return Kind.DATASET
    if name in {"torch.Tensor", "torch.FloatTensor", "torch.LongTensor", "torch.autograd.Variable"}:
        return Kind.TENSOR
    if name in {"builtins.int", "builtins.float"}:
        return Kind.NUMBER
    if name in {"builtins.str", "builtins.bool", "builtins.dict", "builtins.list", "numpy.ndarray"}:
        return Kind.UNKNOWN
    return None


def is_loss_name(name: str) -> bool:
    """Whether a called thing of unknown class is called like a loss function."""
    return _LOSS.search(name) is not None


def kind_made_by(name: str) -> Kind:
    """The kind of what calling this imported name makes."""
    if name.startswith("timm.models.layers.") and name.rpartition(".")[2].islower():
        return Kind.UNKNOWN  # `to_2tuple`, `trunc_normal_`
    if torch_api.is_optimizer(name):
        return Kind.OPTIMIZER
    if torch_api.is_scheduler(name):
        return Kind.SCHEDULER
    if torch_api.is_loader(name):
        return Kind.LOADER
    if torch_api.is_dataset(name):
        return Kind.DATASET
    short = name.rpartition(".")[2]
    if name == "torch.amp.GradScaler" or short == "GradScaler":
        return Kind.SCALER
    if name.startswith("torch.optim.swa_utils.AveragedModel"):
        return Kind.MODULE
    if name.startswith(
        (
            "torchvision.models.",
            "timm.create_model",
            "timm.models.",
            "torch.hub.load",
            "segmentation_models_pytorch.",
        )
    ):
        return Kind.MODULE if not short.endswith("_Weights") and "Weights" not in name else Kind.UNKNOWN
    if name.startswith(("transformers.", "torch_geometric.nn.", "torchvision.ops.", "monai.networks.")):
        if short in {"from_pretrained", "from_config"}:
            return Kind.MODULE if "Model" in name else Kind.UNKNOWN
        if name.startswith("torch_geometric.nn.") and short[:1].isupper():
            return Kind.MODULE
        if name.startswith("monai.networks.") and short[:1].isupper():
            return Kind.MODULE
    if (
        short.endswith(("Model", "Net"))
        and short[:1].isupper()
        and not name.startswith(("builtins.", "numpy.", "sklearn.", "pydantic."))
    ):
        return Kind.MODULE
    if name.startswith(
        (
            "sklearn.metrics.",
            "builtins.float",
            "builtins.int",
            "builtins.len",
            "builtins.round",
            "math.",
            "time.",
        )
    ):
        return Kind.NUMBER
    return Kind.UNKNOWN
