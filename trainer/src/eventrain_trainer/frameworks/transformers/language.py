# pyright: reportMissingImports=false, reportUnknownParameterType=false, reportUntypedBaseClass=false
"""The model and its tokenizer: a base model's, or small ones made on the spot. Nothing is fetched
from a hub."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.utils.data import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

from eventrain_trainer.frameworks.transformers.parameters import Parameters

END = "<end>"
HEAD = 16


class Blocks(Dataset[Any]):
    """Texts one after the other, cut into pieces of one length."""

    def __init__(self, texts: Sequence[str], tokenizer: Any, length: int) -> None:
        tokens = [
            token for text in texts for token in tokenizer(text + tokenizer.eos_token).input_ids
        ]
        length = min(length, len(tokens))
        whole = torch.tensor(tokens[: len(tokens) // length * length])
        self._blocks = whole.view(-1, length)

    def __len__(self) -> int:
        return len(self._blocks)

    def __getitem__(self, at: int) -> dict[str, Any]:
        return {"input_ids": self._blocks[at], "labels": self._blocks[at]}


def load(folder: Path) -> tuple[Any, Any]:
    """A base model as `save_pretrained` left it. Raises ValueError where there is none."""
    found = sorted(folder.rglob("config.json")) if folder.is_dir() else []
    if not found:
        raise ValueError(
            "the model to start from has no config.json: it is no model of Transformers"
        )
    place = found[0].parent
    tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
    return AutoModelForCausalLM.from_pretrained(place, local_files_only=True), tokenizer


def make(parameters: Parameters, texts: Sequence[str]) -> tuple[Any, Any]:
    tokenizer = _train_tokenizer(texts, parameters.vocab_size)
    return AutoModelForCausalLM.from_config(_config(parameters, tokenizer)), tokenizer


def with_lora(model: Any, parameters: Parameters) -> Any:
    """Only matrices of a low rank beside its own are then trained."""
    from peft import LoraConfig, get_peft_model

    rank = parameters.lora_rank
    wanted = LoraConfig(
        task_type="CAUSAL_LM", r=rank, lora_alpha=2 * rank, target_modules="all-linear"
    )
    return get_peft_model(model, wanted)


def _train_tokenizer(texts: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token=END, pad_token=END)


def _config(parameters: Parameters, tokenizer: Any) -> Any:
    width, length = parameters.hidden_size, parameters.max_seq_len
    common = {"vocab_size": len(tokenizer), "bos_token_id": 0, "eos_token_id": 0}
    if parameters.architecture == "gpt2":
        return GPT2Config(
            n_embd=width,
            n_layer=parameters.num_layers,
            n_head=width // HEAD,
            n_positions=length,
            **common,
        )
    return LlamaConfig(
        hidden_size=width,
        intermediate_size=width * 4,
        num_hidden_layers=parameters.num_layers,
        num_attention_heads=width // HEAD,
        max_position_embeddings=length,
        attention_dropout=0.1,
        **common,
    )
