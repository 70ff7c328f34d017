"""What the torch world's names mean. Plain data about public APIs; it decides nothing.

Sources: the PyTorch 2.13 documentation of `torch`, `torch.nn`, `torch.nn.functional`, `torch.optim`.
"""

from __future__ import annotations

import re

# -- one name for each thing ----------------------------------------------------------------------

_MOVED = (
    (re.compile(r"^torch\.nn\.modules\.(?:\w+\.)?(?=[A-Z])"), "torch.nn."),
    (re.compile(r"^torch\.nn\.utils\.clip_grad\."), "torch.nn.utils."),
    (re.compile(r"^torch\.optim\.(?!lr_scheduler|swa_utils)[a-z_]\w*\.(?=[A-Z])"), "torch.optim."),
    (re.compile(r"^torch\.utils\.data\.(?:dataloader|dataset|sampler|distributed)\."), "torch.utils.data."),
    (re.compile(r"^torch\.autograd\.variable\."), "torch.autograd."),
    (re.compile(r"^torch\.(?:cuda|cpu)\.amp\."), "torch.amp."),
    (re.compile(r"^torch\.amp\.(?:grad_scaler|autocast_mode)\."), "torch.amp."),
    (re.compile(r"^torch\.autocast$"), "torch.amp.autocast"),
    (re.compile(r"^torch\.(?:autograd\.)?(?:grad_mode\.)?(no_grad|enable_grad|inference_mode|set_grad_enabled)$"), r"torch.\1"),
    (re.compile(r"^torch\.nn\.parallel\.distributed\."), "torch.nn.parallel."),
    (re.compile(r"^torch\.nn\.parameter\."), "torch.nn."),
    (re.compile(r"^torch\.nn\.(DataParallel)$"), r"torch.nn.parallel.\1"),
    (re.compile(r"^(?:pytorch_lightning|lightning\.pytorch)\.(?:core\.(?:\w+\.)?)?(LightningModule|LightningDataModule)$"), r"lightning.\1"),
    (re.compile(r"^(?:pytorch_lightning|lightning\.pytorch)\."), "lightning."),
    (re.compile(r"^torch\.special\.(expit)$"), "torch.sigmoid"),
    (re.compile(r"^torch\.special\.(log_softmax|softmax|logsumexp|log1p|expm1|exp2)$"), r"torch.\1"),
    (re.compile(r"^torch\.linalg\.(norm|vector_norm|matrix_norm)$"), "torch.norm"),
    (re.compile(r"^torch\.(log_softmax|softmax|sigmoid|relu|tanh|dropout)$"), r"torch.nn.functional.\1"),
)  # fmt: skip

_known: dict[str, str] = {}


def canonical(name: str) -> str:
    """The documented name of what an import path leads to."""
    found = _known.get(name)
    if found is None:
        found = name
        if name.startswith(("torch.", "pytorch_lightning.", "lightning.")):
            for pattern, replacement in _MOVED:
                found = pattern.sub(replacement, found)
        _known[name] = found
    return found


# Functions that only rename another operation.
SAME_OPERATION = {
    "expit": "sigmoid", "absolute": "abs", "divide": "div", "true_divide": "div", "multiply": "mul",
    "subtract": "sub", "mm": "matmul", "bmm": "matmul", "greater": "gt", "less": "lt", "greater_equal": "ge",
    "less_equal": "le", "not_equal": "ne", "swapaxes": "transpose", "swapdims": "transpose", "arccos": "acos",
    "arcsin": "asin", "arctanh": "atanh", "arccosh": "acosh", "concat": "cat", "concatenate": "cat", "clip": "clamp",
    "clamp_min": "clamp", "clamp_max": "clamp", "rsqrt": "rsqrt", "relu6": "relu6", "mT": "t", "T": "t", "fix": "trunc",
    "movedim": "movedim", "moveaxis": "movedim", "view_as": "view_as", "softmax_": "softmax", "sigmoid_": "sigmoid",
    "relu_": "relu", "tanh_": "tanh", "long_": "long", "negative": "neg", "vdot": "dot", "inner": "inner",
}  # fmt: skip


def operation(name: str) -> str | None:
    """The operation that a torch function computes; None for anything else."""
    for prefix in ("torch.nn.functional.", "torch.Tensor.", "torch.linalg.", "torch.special."):
        if name.startswith(prefix):
            short = name[len(prefix) :]
            return SAME_OPERATION.get(short, short) if "." not in short else None
    if name.startswith("torch.") and name.count(".") == 1:
        short = name[6:]
        if short[:1].islower() and short not in NOT_TENSOR:
            return SAME_OPERATION.get(short, short)
    return None


# `torch.<name>` that give no tensor.
NOT_TENSOR = {
    "no_grad", "enable_grad", "inference_mode", "set_grad_enabled", "save", "load", "compile", "device", "dtype",
    "manual_seed", "seed", "set_num_threads", "is_tensor", "is_floating_point", "numel", "get_default_dtype",
    "set_default_dtype", "set_default_device", "set_printoptions", "autocast", "jit", "cuda", "backends", "nn",
    "optim", "utils", "autograd", "distributed", "multiprocessing", "initial_seed", "get_rng_state", "set_rng_state",
    "is_grad_enabled", "finfo", "iinfo", "float32", "float16", "bfloat16", "float64", "long", "int64", "int32", "uint8",
    "bool", "float", "int", "half", "double", "equal", "allclose", "are_deterministic_algorithms_enabled",
    "use_deterministic_algorithms", "set_float32_matmul_precision", "get_num_threads", "typename", "inf", "nan", "pi", "e",
}  # fmt: skip

# Tensor methods that nothing else in the Python world has under that name and meaning.
TENSOR_ONLY_METHODS = frozenset({
    "view", "unsqueeze", "permute", "contiguous", "softmax", "log_softmax", "sigmoid", "tanh", "relu", "detach", "detach_",
    "argmax", "matmul", "bmm", "mm", "cuda", "cpu", "numpy", "topk", "gather", "scatter", "scatter_", "index_select",
    "masked_fill", "masked_fill_", "expand", "expand_as", "view_as", "flatten", "norm", "logsumexp", "requires_grad_",
    "clamp", "clamp_", "clamp_min", "exp", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "zero_", "fill_", "mul_", "add_",
    "sub_", "div_", "eq", "ne", "gt", "lt", "ge", "le", "float", "long", "half", "double", "type_as", "data_ptr", "chunk",
    "normal_", "uniform_", "bernoulli", "bernoulli_", "multinomial", "masked_select", "reshape_as", "unbind", "acos",
    "asin", "atanh", "neg", "einsum", "backward", "retain_grad", "register_hook", "pow", "mT", "movedim", "narrow", "tolist",
    "item", "sign", "cumsum", "erf", "square", "std", "var", "logical_not", "logical_and", "bool", "new_zeros", "new_ones",
    "new_tensor", "addmm", "baddbmm", "unfold", "repeat_interleave", "logit", "abs", "copy_", "clone",
})  # fmt: skip

# Methods that tensors share with NumPy arrays and others: the receiver decides what comes out.
SHARED_METHODS = frozenset({
    "sum", "mean", "max", "min", "reshape", "squeeze", "transpose", "t", "repeat", "split", "round", "all", "any", "prod",
    "size", "dim", "numel", "type", "to", "int", "swapaxes", "cumsum", "nonzero", "ravel", "fill", "argmin", "argsort", "sort",
    "clip", "copy", "dot", "trace", "diagonal", "byte", "median", "index_add_", "index_copy_", "add", "sub", "mul", "div",
    "data", "cos", "sin", "tan", "ceil", "floor", "ndimension", "get_device", "is_contiguous", "roll", "flip", "where",
})  # fmt: skip

# Operations whose result is a Python number or another non-tensor.
TO_PYTHON = frozenset(
    {"item", "tolist", "numpy", "dim", "numel", "ndimension", "data_ptr", "get_device", "is_contiguous"}
)

# Operations that keep every number and its sample: identity for most questions.
RELABEL = frozenset({
    "to", "cuda", "cpu", "float", "half", "double", "bfloat16", "contiguous", "clone", "type", "type_as", "variable",
    "requires_grad_", "identity", "alias", "as_subclass", "retain_grad", "pin_memory",
})  # fmt: skip
# The same numbers in another arrangement.
REARRANGE = frozenset({
    "view", "reshape", "squeeze", "unsqueeze", "flatten", "permute", "transpose", "t", "view_as", "reshape_as", "expand",
    "expand_as", "movedim", "unflatten", "ravel",
})  # fmt: skip
LOOK_THROUGH = RELABEL | REARRANGE
# Where autograd stops. Comparisons and rounding have zero gradient or none.
CUTS_GRADIENT = frozenset({
    "detach", "detach_", "item", "tolist", "numpy", "data", "argmax", "argmin", "argsort", "round", "floor", "ceil", "trunc", "sign",
    "gt", "lt", "ge", "le", "eq", "ne", "isnan", "isinf", "isclose", "bool", "int", "long", "byte", "tensor", "as_tensor",
    "from_numpy", "bernoulli", "multinomial", "nonzero", "one_hot", "searchsorted", "bucketize",
})  # fmt: skip
# Operations that make a tensor out of nothing differentiable.
FACTORIES = frozenset({
    "zeros", "ones", "rand", "randn", "randint", "randperm", "empty", "full", "arange", "linspace", "logspace", "eye", "tensor",
    "as_tensor", "from_numpy", "zeros_like", "ones_like", "rand_like", "randn_like", "empty_like", "full_like", "normal",
    "randint_like", "new_zeros", "new_ones", "new_full", "new_tensor", "new_empty", "tril_indices", "triu_indices",
})  # fmt: skip

# -- modules --------------------------------------------------------------------------------------

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MODULE_OPERATIONS = {
    "ReLU": "relu", "ReLU6": "relu6", "PReLU": "prelu", "ELU": "elu", "GELU": "gelu", "SELU": "selu", "SiLU": "silu",
    "LeakyReLU": "leaky_relu", "LogSoftmax": "log_softmax", "LogSigmoid": "logsigmoid", "Softmax2d": "softmax",
    "BatchNorm1d": "batch_norm", "BatchNorm2d": "batch_norm", "BatchNorm3d": "batch_norm", "SyncBatchNorm": "batch_norm",
    "LazyBatchNorm1d": "batch_norm", "LazyBatchNorm2d": "batch_norm", "LazyBatchNorm3d": "batch_norm",
    "InstanceNorm1d": "instance_norm", "InstanceNorm2d": "instance_norm", "InstanceNorm3d": "instance_norm",
    "Dropout1d": "dropout1d", "Dropout2d": "dropout2d", "Dropout3d": "dropout3d", "LazyLinear": "linear",
    "CrossEntropyLoss": "cross_entropy", "NLLLoss": "nll_loss", "NLLLoss2d": "nll_loss", "BCELoss": "binary_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits", "MSELoss": "mse_loss", "L1Loss": "l1_loss",
    "SmoothL1Loss": "smooth_l1_loss", "HuberLoss": "huber_loss", "KLDivLoss": "kl_div", "CTCLoss": "ctc_loss",
    "MultiLabelSoftMarginLoss": "multilabel_soft_margin_loss", "MarginRankingLoss": "margin_ranking_loss",
    "CosineEmbeddingLoss": "cosine_embedding_loss", "TripletMarginLoss": "triplet_margin_loss",
    "HingeEmbeddingLoss": "hinge_embedding_loss", "PoissonNLLLoss": "poisson_nll_loss", "GaussianNLLLoss": "gaussian_nll_loss",
    "MultiMarginLoss": "multi_margin_loss", "SoftMarginLoss": "soft_margin_loss", "MultiLabelMarginLoss": "multilabel_margin_loss",
    "TripletMarginWithDistanceLoss": "triplet_margin_with_distance_loss",
    "LSTM": "lstm", "GRU": "gru", "RNN": "rnn", "LSTMCell": "lstm_cell", "GRUCell": "gru_cell", "RNNCell": "rnn_cell",
}  # fmt: skip


def module_operation(name: str) -> str:
    """The operation that a `torch.nn` module class computes: `torch.nn.BatchNorm2d` -> `batch_norm`."""
    short = name.rpartition(".")[2]
    return _MODULE_OPERATIONS.get(short) or _CAMEL.sub("_", short).lower()


LOSSES = frozenset({operation for name, operation in _MODULE_OPERATIONS.items() if "Loss" in name})

BATCH_NORMS = frozenset({
    "torch.nn.BatchNorm1d", "torch.nn.BatchNorm2d", "torch.nn.BatchNorm3d", "torch.nn.SyncBatchNorm",
    "torch.nn.LazyBatchNorm1d", "torch.nn.LazyBatchNorm2d", "torch.nn.LazyBatchNorm3d",
})  # fmt: skip
DROPOUTS = frozenset({
    "torch.nn.Dropout", "torch.nn.Dropout1d", "torch.nn.Dropout2d", "torch.nn.Dropout3d", "torch.nn.AlphaDropout",
    "torch.nn.FeatureAlphaDropout",
})  # fmt: skip
RECURRENT = frozenset({"torch.nn.LSTM", "torch.nn.GRU", "torch.nn.RNN"})
CONTAINERS = frozenset({
    "torch.nn.Sequential", "torch.nn.ModuleList", "torch.nn.ModuleDict", "torch.nn.ParameterList", "torch.nn.ParameterDict",
})  # fmt: skip
# Modules that hold nothing to train.
STATELESS = re.compile(
    r"^torch\.nn\.(?:\w*(?:ReLU6?|GELU|SiLU|ELU|SELU|CELU|Mish|Sigmoid|Tanh|Softmax|Softplus|Softmin|Softsign|Tanhshrink|Threshold"
    r"|Dropout\w*|Pool\w*|Flatten|Unflatten|Identity|Upsample\w*|Pad\w*|Shuffle|Loss|Fold|Unfold|CosineSimilarity|PairwiseDistance"
    r"|Pad[123]d|Softmax2d|LogSigmoid|GLU|Hardtanh|Hardswish|Unpool[123]d|Pool[123]d))$"
)
# Wrappers that call the module they were given.
WRAPPERS = frozenset({
    "torch.nn.parallel.DataParallel", "torch.nn.parallel.DistributedDataParallel", "torch.compile", "torch.jit.script",
    "torch.jit.trace", "torch.nn.SyncBatchNorm.convert_sync_batchnorm", "apex.parallel.DistributedDataParallel",
    "torch.distributed.fsdp.FullyShardedDataParallel", "torch_geometric.nn.DataParallel", "torch.nn.utils.weight_norm",
    "torch.nn.utils.spectral_norm", "torch.nn.utils.parametrizations.spectral_norm", "torch.nn.utils.parametrizations.weight_norm",
})  # fmt: skip

# -- optimizers, schedulers, data -----------------------------------------------------------------

_SCHEDULER_CALL = re.compile(r"(?:^|\.)(?:get_\w*schedul\w*|\w*Scheduler|\w*LR\w*|create_scheduler\w*)$")
_OPTIMIZER_MODULES = re.compile(
    r"^(?:torch\.optim|apex\.optimizers|bitsandbytes\.optim|timm\.optim|transformers\.optimization|torch_optimizer|lion_pytorch"
    r"|adabelief_pytorch|ranger|madgrad|torchoptim|prodigyopt|dadaptation|adamp|deepspeed\.ops\.(?:adam|lamb))(?:\.\w+)*\.[A-Z]\w*$"
)


def is_scheduler(name: str) -> bool:
    """Whether calling this imported name makes a learning-rate scheduler."""
    return name.startswith("torch.optim.lr_scheduler.") or (
        name.startswith(
            (
                "transformers.",
                "timm.",
                "warmup_scheduler",
                "pl_bolts",
                "diffusers",
                "torch.optim.swa_utils.SWALR",
            )
        )
        and _SCHEDULER_CALL.search(name) is not None
    )


def is_optimizer(name: str) -> bool:
    """Whether calling this imported name makes an optimizer."""
    if name.startswith(("torch.optim.lr_scheduler", "torch.optim.swa_utils")):
        return False
    return _OPTIMIZER_MODULES.match(name) is not None or name in {
        "transformers.AdamW",
        "transformers.Adafactor",
    }


_DATASETS = re.compile(
    r"^(?:torchvision|torchaudio|torchtext|torch_geometric)\.datasets\.(?:\w+\.)*[A-Z]\w*$"
)


def is_dataset(name: str) -> bool:
    return _DATASETS.match(name) is not None or name in {
        "torch.utils.data.TensorDataset", "torch.utils.data.ConcatDataset", "torch.utils.data.Subset",
        "torch.utils.data.ChainDataset", "datasets.load_dataset",
    }  # fmt: skip


def is_loader(name: str) -> bool:
    return name == "torch.utils.data.DataLoader" or (
        name.startswith("torch_geometric.")
        and name.endswith("Loader")
        and name.rpartition(".")[2][0].isupper()
    )


# -- the order of arguments -----------------------------------------------------------------------

# Operation -> parameter names, the tensor first; the same for functions and methods.
SIGNATURES: dict[str, tuple[str, ...]] = {
    "softmax": ("input", "dim"), "log_softmax": ("input", "dim"), "softmin": ("input", "dim"),
    "argmax": ("input", "dim", "keepdim"), "argmin": ("input", "dim", "keepdim"), "max": ("input", "dim", "keepdim"),
    "min": ("input", "dim", "keepdim"), "max_values": ("input", "dim", "keepdim"), "min_values": ("input", "dim", "keepdim"),
    "sum": ("input", "dim", "keepdim"), "mean": ("input", "dim", "keepdim"),
    "std": ("input", "dim"), "var": ("input", "dim"), "norm": ("input", "p", "dim", "keepdim"), "topk": ("input", "k", "dim"),
    "logsumexp": ("input", "dim", "keepdim"), "cumsum": ("input", "dim"), "all": ("input", "dim"), "any": ("input", "dim"),
    "squeeze": ("input", "dim"), "unsqueeze": ("input", "dim"), "flatten": ("input", "start_dim", "end_dim"),
    "transpose": ("input", "dim0", "dim1"), "dropout": ("input", "p", "training", "inplace"),
    "alpha_dropout": ("input", "p", "training", "inplace"), "feature_alpha_dropout": ("input", "p", "training", "inplace"),
    "dropout1d": ("input", "p", "training", "inplace"),
    "dropout2d": ("input", "p", "training", "inplace"), "dropout3d": ("input", "p", "training", "inplace"),
    **dict.fromkeys(
        ("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d"),
        ("input", "kernel_size", "stride", "padding"),
    ),
    "clamp": ("input", "min", "max"), "pow": ("input", "exponent"), "normalize": ("input", "p", "dim", "eps"),
    "cross_entropy": ("input", "target", "weight", "size_average", "ignore_index", "reduce", "reduction", "label_smoothing"),
    "nll_loss": ("input", "target", "weight", "size_average", "ignore_index", "reduce", "reduction"),
    "binary_cross_entropy": ("input", "target", "weight", "size_average", "reduce", "reduction"),
    "binary_cross_entropy_with_logits": ("input", "target", "weight", "size_average", "reduce", "reduction", "pos_weight"),
    "mse_loss": ("input", "target", "size_average", "reduce", "reduction"),
    "l1_loss": ("input", "target", "size_average", "reduce", "reduction"),
    "smooth_l1_loss": ("input", "target", "size_average", "reduce", "reduction", "beta"),
    "huber_loss": ("input", "target", "reduction", "delta"),
    "kl_div": ("input", "target", "size_average", "reduce", "reduction", "log_target"),
    "scaled_dot_product_attention": ("input", "key", "value", "attn_mask", "dropout_p", "is_causal"),
    "multi_head_attention_forward": ("input",), "cat": ("input", "dim"), "stack": ("input", "dim"),
    "chunk": ("input", "chunks", "dim"), "split": ("input", "split_size", "dim"), "gather": ("input", "dim", "index"),
    "one_hot": ("input", "num_classes"), "where": ("condition", "input", "other"), "masked_fill": ("input", "mask", "value"),
    "cosine_similarity": ("input", "other", "dim", "eps"), "clip_grad_norm_": ("parameters", "max_norm"),
    "clip_grad_value_": ("parameters", "clip_value"), "backward": ("input", "gradient", "retain_graph", "create_graph"),
}  # fmt: skip

# Module class -> constructor parameters.
CONSTRUCTORS: dict[str, tuple[str, ...]] = {
    "Linear": ("in_features", "out_features", "bias"), "LazyLinear": ("out_features", "bias"),
    "Bilinear": ("in1_features", "in2_features", "out_features", "bias"),
    **dict.fromkeys(("Conv1d", "Conv2d", "Conv3d"), ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias", "padding_mode")),
    **dict.fromkeys(("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"), ("in_channels", "out_channels", "kernel_size", "stride", "padding", "output_padding", "groups", "bias", "dilation")),
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"), ("num_features", "eps", "momentum", "affine", "track_running_stats")),
    "LayerNorm": ("normalized_shape", "eps", "elementwise_affine"), "GroupNorm": ("num_groups", "num_channels", "eps", "affine"),
    "Embedding": ("num_embeddings", "embedding_dim", "padding_idx", "max_norm"),
    "LSTM": ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"),
    "GRU": ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"),
    "RNN": ("input_size", "hidden_size", "num_layers", "nonlinearity", "bias", "batch_first", "dropout", "bidirectional"),
    "Softmax": ("dim",), "LogSoftmax": ("dim",), "Softmin": ("dim",), "Dropout": ("p", "inplace"), "Dropout1d": ("p", "inplace"),
    "Dropout2d": ("p", "inplace"), "Dropout3d": ("p", "inplace"), "AlphaDropout": ("p", "inplace"), "Flatten": ("start_dim", "end_dim"),
    "MultiheadAttention": ("embed_dim", "num_heads", "dropout", "bias", "add_bias_kv", "add_zero_attn", "kdim", "vdim", "batch_first"),
    "TransformerEncoderLayer": ("d_model", "nhead", "dim_feedforward", "dropout", "activation", "layer_norm_eps", "batch_first"),
    "TransformerDecoderLayer": ("d_model", "nhead", "dim_feedforward", "dropout", "activation", "layer_norm_eps", "batch_first"),
    "Transformer": ("d_model", "nhead", "num_encoder_layers", "num_decoder_layers", "dim_feedforward", "dropout", "activation",
                    "custom_encoder", "custom_decoder", "layer_norm_eps", "batch_first"),
    **dict.fromkeys(("MaxPool1d", "MaxPool2d", "MaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d"), ("kernel_size", "stride", "padding")),
    **dict.fromkeys(("AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d"), ("output_size",)),
    "CrossEntropyLoss": ("weight", "size_average", "ignore_index", "reduce", "reduction", "label_smoothing"),
    "NLLLoss": ("weight", "size_average", "ignore_index", "reduce", "reduction"),
    "BCELoss": ("weight", "size_average", "reduce", "reduction"),
    "BCEWithLogitsLoss": ("weight", "size_average", "reduce", "reduction", "pos_weight"),
    "MSELoss": ("size_average", "reduce", "reduction"), "L1Loss": ("size_average", "reduce", "reduction"),
    "SmoothL1Loss": ("size_average", "reduce", "reduction", "beta"), "HuberLoss": ("reduction", "delta"),
    "KLDivLoss": ("size_average", "reduce", "reduction", "log_target"), "Parameter": ("data", "requires_grad"),
    "DataLoader": ("dataset", "batch_size", "shuffle", "sampler", "batch_sampler", "num_workers", "collate_fn", "pin_memory", "drop_last"),
    "TensorDataset": (), "Subset": ("dataset", "indices"), "random_split": ("dataset", "lengths", "generator"),
    "DistributedSampler": ("dataset", "num_replicas", "rank", "shuffle"),
    "ReduceLROnPlateau": ("optimizer", "mode", "factor", "patience", "threshold"),
    "OneCycleLR": ("optimizer", "max_lr", "total_steps", "epochs", "steps_per_epoch"),
    "StepLR": ("optimizer", "step_size", "gamma"), "MultiStepLR": ("optimizer", "milestones", "gamma"),
    "ExponentialLR": ("optimizer", "gamma"), "CosineAnnealingLR": ("optimizer", "T_max", "eta_min"), "LambdaLR": ("optimizer", "lr_lambda"),
    "CosineAnnealingWarmRestarts": ("optimizer", "T_0", "T_mult", "eta_min"),
    "SGD": ("params", "lr", "momentum", "dampening", "weight_decay", "nesterov"), "Adam": ("params", "lr", "betas", "eps", "weight_decay"),
    "AdamW": ("params", "lr", "betas", "eps", "weight_decay"), "RMSprop": ("params", "lr", "alpha", "eps", "weight_decay"),
    "MNIST": ("root", "train", "transform", "target_transform", "download"), "FashionMNIST": ("root", "train", "transform", "target_transform", "download"),
    "KMNIST": ("root", "train", "transform", "target_transform", "download"),
    "CIFAR10": ("root", "train", "transform", "target_transform", "download"), "CIFAR100": ("root", "train", "transform", "target_transform", "download"),
    "ImageFolder": ("root", "transform"), "SVHN": ("root", "split", "transform"), "STL10": ("root", "split"),
}  # fmt: skip
