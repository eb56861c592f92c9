"""The character model of the course: a decoder that learned the plays of Shakespeare, stored with a record.

The checkpoint is two files: char-transformer.safetensors, float16 weights, and char-transformer.json, the
command, seed, recipe, versions, losses and the SHA-256 of the weights. Every loss of the course is that of
the weights read back from the file, in float32. A loss is the mean negative logarithm of the probability
that the model gave to the character that came: nats per character, less is better.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import nn
from tqdm import tqdm

import nncourse
from nncourse.zoo import characters, seeding, training
from nncourse.zoo.characters import Tokens
from nncourse.zoo.sources import install
from nncourse.zoo.transformer import Decoder, Form

NAME = "char-transformer"
FORM = Form(vocabulary=len(characters.SYMBOLS))
STORED = Path(__file__).parent / "stored"
NATS_PER_BIT = math.log(2)
CHECKS = 10  # times that the validation loss is read during training, evenly spread
CHECK_WINDOWS = 128


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a decoder is trained: AdamW on windows drawn at random, a warm-up, then a cosine down to zero."""

    steps: int = 1800
    batch: int = 16  # windows, each as long as the context
    learning_rate: float = 3e-3
    warmup_fraction: float = 0.05
    weight_decay: float = 0.1  # of the matrices
    clip: float = 1.0  # largest norm of the gradient

    def __post_init__(self) -> None:
        for name in ("steps", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, got {getattr(self, name)}. Try 1.")

    def rate(self, step: int) -> float:
        """Learning rate of ``step``, 0 being the first.

        >>> recipe = Recipe(steps=10, learning_rate=0.5, warmup_fraction=0.2)
        >>> [round(recipe.rate(step), 3) for step in (0, 1, 2, 6, 9)]
        [0.25, 0.5, 0.5, 0.25, 0.019]
        """
        shape = training.Recipe(
            epochs=1, learning_rate=self.learning_rate, warmup_fraction=self.warmup_fraction
        )
        return shape.rate(step, self.steps)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained decoder, ready for inference, and its validation loss along the way, by step."""

    model: Decoder
    history: dict[int, float]


def train(
    form: Form,
    text: Tokens,
    validation: Tokens,
    *,
    recipe: Recipe,
    seed: int,
) -> Trained:
    """A decoder of ``form`` after all steps of ``recipe``.

    text        tokens that it learns from, shape (n,), longer than a window
    validation  windows on which its progress is read, shape (count, context + 1); nothing is chosen by it
    seed        of the first weights and the windows drawn

    Equal arguments give equal bits on one machine with one number of threads.
    """
    rng = seeding.reproducible(seed)
    model = Decoder(form).train()
    matrices = [value for value in model.parameters() if value.ndim > 1]
    vectors = [value for value in model.parameters() if value.ndim == 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": recipe.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        betas=(0.9, 0.99),
    )
    source = torch.from_numpy(text)
    span = torch.arange(form.context + 1)
    history: dict[int, float] = {}
    checked = {round(recipe.steps * part / CHECKS) for part in range(1, CHECKS + 1)}
    with tqdm(range(1, recipe.steps + 1), desc="training", unit="step", leave=False) as bar:
        for step in bar:
            starts = rng.integers(0, len(text) - form.context, size=recipe.batch)
            batch = source[torch.from_numpy(starts)[:, None] + span]
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate(step - 1)
            optimizer.zero_grad()
            _mean_loss(model, batch).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimizer.step()
            if step in checked:
                history[step] = loss(model, validation)
                bar.set_postfix(validation=f"{history[step]:.3f}")
    return Trained(model=model.eval(), history=history)


def loss(model: nn.Module, windows: Tokens, *, batch: int = 32) -> float:
    """Mean loss of ``model`` over all characters that ``windows`` ask for, in nats per character.

    model    gives logits of shape (rows, length, vocabulary); comes back in the mode it was in
    windows  from :func:`characters.windows`, shape (rows, length + 1)
    batch    rows at a time; bounds memory
    """
    if windows.ndim != 2 or windows.shape[1] < 2 or len(windows) == 0:
        raise ValueError(f"windows have shape (rows, length + 1), got {windows.shape}")
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            parts = torch.split(torch.from_numpy(windows), batch)
            total = sum(float(_mean_loss(model, part)) * len(part) for part in parts)
    finally:
        model.train(was_training)
    return total / len(windows)


def train_and_store(*, seed: int = 0, folder: Path | None = None) -> Path:
    """File of weights of the character model, trained by its recipe; its record lies beside it.

    seed    of the first weights and of the windows drawn
    folder  where the two files are written; when None, the course's own

    The same seed on the same machine, with the same versions and threads, gives the same bytes.
    """
    folder = STORED if folder is None else Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    recipe, length = Recipe(), FORM.context
    text, held = characters.load("train"), characters.load("validation")
    validation = characters.windows(held, count=CHECK_WINDOWS, length=length)
    start = time.process_time()
    trained = train(FORM, text, validation, recipe=recipe, seed=seed)
    seconds = time.process_time() - start
    weights = safetensors.torch.save(
        {key: value.to(torch.float16) for key, value in trained.model.state_dict().items()}
    )
    model = _filled(weights)
    test = characters.load("test")
    record = {
        "network": NAME,
        "command": f"nncourse train {NAME} --seed {seed}",
        "seed": seed,
        "threads": torch.get_num_threads(),
        "recipe": asdict(recipe),
        "form": asdict(FORM),
        "data": characters.NAME,
        "data_sha256": {characters.FILE: characters.SHA256},
        "num_parameters": FORM.num_parameters,
        "history": {str(step): value for step, value in trained.history.items()},
        "validation_loss": loss(model, validation),
        "test_loss": loss(
            model, characters.windows(test, count=len(test) // length, length=length)
        ),
        "cpu_seconds": round(seconds, 1),
        "versions": {
            "nncourse": nncourse.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
            "safetensors": safetensors.__version__,
        },
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    note = (json.dumps(record, indent=2) + "\n").encode()
    target = folder / f"{NAME}.safetensors"
    install(io.BytesIO(weights), str(record["sha256"]), target)
    install(io.BytesIO(note), hashlib.sha256(note).hexdigest(), target.with_suffix(".json"))
    return target


def load_pretrained(folder: Path = STORED) -> Decoder:
    """The stored character model in float32, ready for inference, after its file passed the hash.

    folder  where its two files are; the course's own

    >>> load_pretrained().form.width
    128
    """
    path = folder / f"{NAME}.safetensors"
    expected = provenance(folder)["sha256"]
    again = f"Make it again: nncourse train {NAME}"
    if not path.is_file():
        raise ValueError(f"the weights {path.name} are missing. {again}")
    weights = path.read_bytes()
    found = hashlib.sha256(weights).hexdigest()
    if found != expected:
        raise ValueError(
            f"the weights {path.name} are damaged: SHA-256 is {found}, its record says {expected}. {again}"
        )
    return _filled(weights)


def provenance(folder: Path = STORED) -> dict[str, Any]:
    """Record of the stored character model: command, seed, recipe, versions, losses, SHA-256.

    >>> provenance()["command"]
    'nncourse train char-transformer --seed 0'
    """
    path = folder / f"{NAME}.json"
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"the record {path.name} cannot be read ({type(error).__name__}). "
            f"Make it again: nncourse train {NAME}"
        ) from None
    return record


def _mean_loss(model: nn.Module, windows: torch.Tensor) -> torch.Tensor:
    logits = model(windows[:, :-1])
    return nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())


def _filled(weights: bytes) -> Decoder:
    with torch.random.fork_rng(devices=[]):  # the first weights are overwritten: draw none for good
        model = Decoder(FORM)
    state = safetensors.torch.load(weights)
    model.load_state_dict({key: value.to(torch.float32) for key, value in state.items()})
    return model.eval()
