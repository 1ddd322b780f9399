"""A program as its author wrote it: Trainer, which reports to MLflow. Nothing of ours is imported."""

import os
import tempfile

os.environ.setdefault("HF_MLFLOW_LOG_ARTIFACTS", "1")

import mlflow
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch.utils.data import Dataset
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

TEXTS = [f"the {who} counts to {n}" for who in ("cat", "dog", "crow") for n in range(30)]


class Lines(Dataset):
    def __init__(self, tokenizer):
        self.rows = [
            tokenizer(text, padding="max_length", max_length=12)["input_ids"] for text in TEXTS
        ]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, at):
        row = torch.tensor(self.rows[at])
        return {"input_ids": row, "labels": row}


def make_tokenizer():
    made = Tokenizer(models.WordLevel(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.train_from_iterator(TEXTS, trainers.WordLevelTrainer(special_tokens=["<unk>", "<pad>"]))
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", pad_token="<pad>")


folder = tempfile.mkdtemp()
tokenizer = make_tokenizer()
lines = Lines(tokenizer)
config = GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=16)
trainer = Trainer(
    model=GPT2LMHeadModel(config),
    args=TrainingArguments(
        output_dir=f"{folder}/out",
        num_train_epochs=4,
        learning_rate=1e-2,
        per_device_train_batch_size=16,
        logging_strategy="epoch",
        eval_strategy="epoch",
        save_strategy="epoch",
        use_cpu=True,
        report_to="mlflow",
    ),
    train_dataset=lines,
    eval_dataset=lines,
    processing_class=tokenizer,
)
trainer.train()
trainer.save_model(f"{folder}/final")
mlflow.log_artifacts(f"{folder}/final", "final")
