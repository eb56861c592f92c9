"""A handed-in ``.nnc`` file, opened: by a reader that believes no size and no stream unchecked."""

from __future__ import annotations

import math

from nncourse.classroom.handed_in import HandedInFile
from nncourse.classroom.submission import Unreadable
from nncourse.codecs import CodecError
from nncourse.container import Container, ContainerError, open_container


def opened(content: bytes, part: HandedInFile) -> Container:
    """The file in ``content``, every tensor of it decoded once.

    Raises ``Unreadable``, with a sentence for the student, for anything that is damaged or larger
    than ``part`` allows.
    """
    try:
        container = open_container(content)
        num_values = sum(math.prod(container.record(name).shape) for name in container)
        if num_values > part.max_values:
            raise Unreadable(f"{part.file} holds {num_values} values, more than {part.max_values}")
        for name in container:
            container.tensor(name)
    except (ContainerError, CodecError) as error:
        raise Unreadable(
            f"{part.file} is no .nnc file that can be read ({error}); write it again"
        ) from None
    return container
