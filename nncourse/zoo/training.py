"""Training: a recipe, a network and two splits in; the epoch that did best on validation out."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from tqdm import tqdm

from nncourse.zoo.datasets import Images
from nncourse.zoo.seeding import reproducible


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained: AdamW on cross-entropy, a warm-up, then a cosine down to zero."""

    epochs: int
    batch: int = 128
    learning_rate: float = 1e-3
    warmup_fraction: float = 0.1  # of all steps; the rate grows linearly from 0 meanwhile
    weight_decay: float = 0.0
    shift_pixels: int = 0  # each image moves by up to this many pixels, zeros enter at the edge

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, got {getattr(self, name)}. Try 1.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate is above 0, got {self.learning_rate}. Try 1e-3.")
        if not 0.0 <= self.warmup_fraction < 1.0:
            raise ValueError(
                f"warmup_fraction is in [0, 1), got {self.warmup_fraction}. Try 0.1 for a tenth."
            )
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ValueError(f"weight_decay is not negative, got {self.weight_decay}. Try 0.")
        if self.shift_pixels < 0:
            raise ValueError(f"shift_pixels is not negative, got {self.shift_pixels}. Try 0.")

    def rate(self, step: int, num_steps: int) -> float:
        """Learning rate of ``step`` (0 is the first) of ``num_steps``.

        >>> recipe = Recipe(epochs=1, learning_rate=0.5, warmup_fraction=0.2)
        >>> [round(recipe.rate(step, 10), 3) for step in (0, 1, 2, 6, 9)]
        [0.25, 0.5, 0.5, 0.25, 0.019]

        Source: I. Loshchilov, F. Hutter, SGDR, ICLR 2017, equation 5, one period.
        """
        num_warmup = round(self.warmup_fraction * num_steps)
        if step < num_warmup:
            return self.learning_rate * (step + 1) / num_warmup
        done = (step - num_warmup) / (num_steps - num_warmup)
        return self.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What one pass over the training split gave."""

    loss: float  # mean cross-entropy in nats over the training steps
    validation_accuracy: float  # fraction


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained network, ready for inference, and how it came about."""

    network: nn.Module
    history: tuple[Epoch, ...]
    best_epoch: int  # index into history

    @property
    def validation_accuracy(self) -> float:
        """Fraction of the validation split that the returned network gets right."""
        return self.history[self.best_epoch].validation_accuracy


def train(
    network: nn.Module,
    train_images: Images,
    validation_images: Images,
    *,
    recipe: Recipe,
    seed: int,
) -> Trained:
    """Copy of ``network`` after training, at the epoch with the best validation accuracy.

    network            any classifier of images; never modified
    train_images       what it learns from
    validation_images  what chooses the epoch; the test split has no way in
    recipe             epochs, batch, rates, augmentation
    seed               of the order of the images, the shifts and anything random in the network

    Ties go to the later epoch, whose learning rate was lower. The last batch of an epoch may be
    smaller. Equal arguments give equal bits on one machine with one number of threads.
    """
    if len(train_images) == 0:
        raise ValueError("train_images is empty: training needs at least one image.")
    rng = reproducible(seed)
    network = copy.deepcopy(network).train()
    x, y = torch.from_numpy(train_images.x), torch.from_numpy(train_images.y)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=recipe.weight_decay)
    steps_per_epoch = math.ceil(len(train_images) / recipe.batch)
    num_steps = recipe.epochs * steps_per_epoch
    step = 0
    history: list[Epoch] = []
    best_epoch, best_state = 0, network.state_dict()
    with tqdm(total=num_steps, desc="training", unit="step", leave=False) as bar:
        for epoch in range(recipe.epochs):
            order = torch.from_numpy(rng.permutation(len(train_images)))
            total_loss = 0.0
            for chosen in torch.split(order, recipe.batch):
                for group in optimizer.param_groups:
                    group["lr"] = recipe.rate(step, num_steps)
                inputs = shifted(x[chosen], recipe.shift_pixels, rng=rng)
                loss = nn.functional.cross_entropy(network(inputs), y[chosen])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                total_loss += float(loss.detach()) * len(chosen)
                step += 1
                bar.update()
            reached = accuracy(network, validation_images)
            history.append(Epoch(loss=total_loss / len(train_images), validation_accuracy=reached))
            bar.set_postfix(validation=f"{reached:.2%}")
            if reached >= history[best_epoch].validation_accuracy:
                best_epoch, best_state = epoch, copy.deepcopy(network.state_dict())
    network.load_state_dict(best_state)
    return Trained(network=network.eval(), history=tuple(history), best_epoch=best_epoch)


def shifted(x: torch.Tensor, pixels: int, *, rng: np.random.Generator) -> torch.Tensor:
    """``x`` with each image moved by its own whole number of pixels, zeros entering at the edge.

    x       float, shape (n, channels, height, width); never modified
    pixels  largest shift along each axis; each of -pixels..pixels is equally likely
    rng     draws the shifts

    >>> shifted(torch.ones(1, 1, 2, 2), 0, rng=np.random.default_rng(0)).sum()
    tensor(4.)
    """
    if pixels == 0:
        return x
    num, channels, height, width = x.shape
    padded = nn.functional.pad(x, (pixels,) * 4)
    down, right = torch.from_numpy(rng.integers(0, 2 * pixels + 1, size=(2, num)))
    rows = down[:, None, None, None] + torch.arange(height)[:, None]
    columns = right[:, None, None, None] + torch.arange(width)
    image = torch.arange(num)[:, None, None, None]
    return padded[image, torch.arange(channels)[:, None, None], rows, columns]


def logits(network: nn.Module, images: Images, *, batch: int = 1000) -> npt.NDArray[np.float32]:
    """Outputs of ``network`` for every image, in order: float32, shape (n, classes).

    batch  images at a time; bounds memory (results may differ in the last bit between sizes)

    The network is put in inference mode for the pass and back in its own mode afterwards.
    """
    if batch < 1:
        raise ValueError(f"batch is at least 1, got {batch}. Try 1000.")
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            parts = [network(part) for part in torch.split(torch.from_numpy(images.x), batch)]
    finally:
        network.train(was_training)
    result: npt.NDArray[np.float32] = torch.cat(parts).numpy().astype(np.float32, copy=False)
    return result


def accuracy(network: nn.Module, images: Images, *, batch: int = 1000) -> float:
    """Fraction of ``images`` whose largest output is the right class; ties go to the lower class.

    network  any classifier; comes back in the mode it was in
    images   at least one
    batch    images at a time
    """
    if len(images) == 0:
        raise ValueError("images is empty: an accuracy needs at least one image.")
    return float(np.mean(logits(network, images, batch=batch).argmax(axis=1) == images.y))
