"""The measure of the step: for kept weights it is torch's optimizer, for dropped ones nothing moves."""

import numpy as np
import torch

from nncourse.classroom.checks.masked_training import masked_step
from nncourse.classroom.judge import judge


def by_torch(weight, gradient, velocity, mask, rate, momentum, decay):
    parameter = torch.nn.Parameter(torch.from_numpy(weight.copy()))
    parameter.grad = torch.from_numpy(gradient.copy())
    optimizer = torch.optim.SGD([parameter], lr=rate, momentum=momentum, weight_decay=decay)
    optimizer.state[parameter]["momentum_buffer"] = torch.from_numpy(velocity.copy())
    optimizer.step()
    new_velocity = optimizer.state[parameter]["momentum_buffer"].numpy()
    return parameter.detach().numpy() * mask, new_velocity * mask


def test_the_optimizer_of_torch_with_a_mask_behind_it_is_a_right_answer():
    found = judge("masked_step", masked_step.check, by_torch, seed=3)
    assert found.fraction == 1.0, found.first_failure


def test_without_the_mask_behind_it_the_rest_still_earns_its_part():
    def student(weight, gradient, velocity, mask, *options):
        return by_torch(weight, gradient, velocity, np.ones_like(mask), *options)

    found = judge("masked_step", masked_step.check, student, seed=3)
    missed = [sentence for sentence, held in found.properties if not held]
    assert len(missed) == 3
    assert all("dropped" in sentence for sentence in missed)
