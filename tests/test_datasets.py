"""The loader: IDX files, sources in their order, damage named and repaired, splits that stay."""

import contextlib
import functools
import gzip
import hashlib
import http.server
import io
import json
import subprocess
import sys
import tarfile
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from nncourse.zoo import datasets, idx, sources
from nncourse.zoo.datasets import DataError, DataSet, Images, fetch, load
from nncourse.zoo.sources import DebianPackage, NpmPackage, PublicAddress

NAMES = (
    datasets.TRAIN_IMAGES,
    datasets.TRAIN_LABELS,
    datasets.TEST_IMAGES,
    datasets.TEST_LABELS,
)


@pytest.fixture
def files():
    rng = np.random.default_rng(0)
    arrays = (
        rng.integers(0, 256, (120, 4, 4), dtype=np.uint8),
        (np.arange(120) % 10).astype(np.uint8),
        rng.integers(0, 256, (20, 4, 4), dtype=np.uint8),
        (np.arange(20) % 10).astype(np.uint8),
    )
    return {name: idx.serialize(array) for name, array in zip(NAMES, arrays, strict=True)}


@pytest.fixture
def tiny(files, tmp_path, monkeypatch):
    """A registered data set called tiny, with no source but the cache, and an empty cache."""
    monkeypatch.delenv("NNCOURSE_DATA", raising=False)
    monkeypatch.setenv("NNCOURSE_CACHE", str(tmp_path / "cache"))

    def register(*places):
        sha256 = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        data_set = DataSet(name="tiny", sha256=sha256, sources=places)
        monkeypatch.setitem(datasets.DATA_SETS, "tiny", data_set)

    register()
    return register


def write(folder, files, *, packed=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(data, mtime=0) if packed else data)
    return folder


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; understands open-ended ranges; cuts bodies to ``server.cut`` bytes."""

    def do_GET(self):
        path = self.directory + self.path
        try:
            with open(path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            self.send_error(404)
            return
        asked = self.headers.get("Range") if self.server.understands_ranges else None
        self.server.asked.append((self.path, asked))
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if asked and start >= len(data):
            self.send_error(416)
            return
        body = data[start:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cut])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(files, tmp_path):
    folder = write(tmp_path / "public", files, packed=True)
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.asked, running.cut, running.understands_ranges = [], None, True
        running.folder = folder
        running.url = f"http://127.0.0.1:{running.server_port}/"
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


# The IDX format


def test_an_idx_file_written_by_hand_is_read():
    data = bytes.fromhex("00000802 00000002 00000003 010203 040506")
    np.testing.assert_array_equal(idx.parse(data), [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(idx.parse(gzip.compress(data, mtime=0)), [[1, 2, 3], [4, 5, 6]])


@given(npst.arrays(np.uint8, npst.array_shapes(max_dims=4, min_side=0, max_side=5)))
def test_parse_inverts_serialize_and_gives_a_writable_array(array):
    read = idx.parse(idx.serialize(array))
    np.testing.assert_array_equal(read, array)
    assert read.flags.writeable


@given(st.binary(max_size=64))
def test_bytes_at_random_are_read_or_refused_with_a_value_error(data):
    with contextlib.suppress(ValueError):
        assert idx.serialize(idx.parse(data)) == data


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "starts with 4 bytes, got 0"),
        (bytes.fromhex("00010801 00000000"), "got 00 01 08 01"),
        (bytes.fromhex("00000d01 00000000"), "got 00 00 0d 01"),
        (bytes.fromhex("00000800"), "got 00 00 08 00"),
        (bytes.fromhex("00000803 00000001"), "takes 16 bytes, the file ends after 8"),
        (bytes.fromhex("00000801 00000003 0102"), "truncated"),
        (bytes.fromhex("00000801 00000003 01020304"), "followed by foreign bytes"),
        (bytes.fromhex("00000803 ffffffff ffffffff ffffffff"), "truncated"),
        (gzip.compress(bytes.fromhex("00000801 00000001 07"), mtime=0)[:-5], "damaged gzip"),
    ],
)
def test_a_malformed_idx_file_is_refused_by_name_and_reason(data, complaint):
    with pytest.raises(ValueError, match=complaint) as refused:
        idx.parse(data, name="labels.idx")
    assert str(refused.value).startswith("labels.idx: ")


def test_only_bytes_can_be_written_as_idx():
    with pytest.raises(ValueError, match="uint8"):
        idx.serialize(np.zeros(3))


# Folders of the user


def test_a_named_folder_is_used_as_it_is(tiny, files, tmp_path):
    folder = write(tmp_path / "mine", files)
    assert fetch("tiny", folder=folder) == folder
    assert fetch("tiny", folder=str(write(tmp_path / "many" / "tiny", files).parent)).name == "tiny"


def test_packed_files_of_a_named_folder_are_unpacked_in_the_cache(tiny, files, tmp_path):
    folder = write(tmp_path / "mine", files, packed=True)
    where = fetch("tiny", folder=folder)
    assert where == datasets.cache_folder() / "tiny"
    assert {name: (where / name).read_bytes() for name in NAMES} == files


def test_the_environment_names_a_folder_too(tiny, files, tmp_path, monkeypatch):
    folder = write(tmp_path / "mine", files)
    monkeypatch.setenv("NNCOURSE_DATA", str(folder))
    assert fetch("tiny") == folder


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_byte_in_a_named_folder_is_an_error_that_names_the_file(
    tiny, files, tmp_path, name, packed
):
    flipped = bytearray(files[name])
    flipped[-1] ^= 1
    folder = write(tmp_path / "mine", {**files, name: bytes(flipped)}, packed=packed)
    with pytest.raises(DataError, match=f"{name}.* is damaged"):
        fetch("tiny", folder=folder)


def test_a_damaged_gzip_file_in_a_named_folder_is_named(tiny, files, tmp_path):
    folder = write(tmp_path / "mine", files, packed=True)
    path = folder / f"{NAMES[0]}.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=f"{NAMES[0]}.gz is damaged"):
        fetch("tiny", folder=folder)


def test_a_named_folder_must_hold_all_four_files(tiny, files, tmp_path):
    folder = write(tmp_path / "mine", files)
    (folder / NAMES[1]).unlink()
    with pytest.raises(DataError, match=f"{NAMES[1]} is missing beside"):
        fetch("tiny", folder=folder)


def test_a_named_folder_without_the_data_set_is_not_passed_over(tiny, files, tmp_path):
    write(datasets.cache_folder() / "tiny", files)
    with pytest.raises(DataError, match="holds none of the files of tiny"):
        fetch("tiny", folder=tmp_path / "absent")


# Cache, public address, package


def test_a_public_address_fills_the_cache_once(tiny, files, server):
    tiny(PublicAddress(url=server.url))
    where = fetch("tiny")
    assert {name: (where / name).read_bytes() for name in NAMES} == files
    assert len(server.asked) == 4
    assert fetch("tiny") == where
    assert len(server.asked) == 4
    assert sorted(path.name for path in where.iterdir()) == sorted([".lock", *NAMES])


def test_a_flipped_byte_in_the_cache_is_named_and_that_file_fetched_again(
    tiny, files, server, capsys
):
    tiny(PublicAddress(url=server.url))
    path = fetch("tiny") / NAMES[1]
    damaged = bytearray(files[NAMES[1]])
    damaged[9] ^= 0x40
    path.write_bytes(damaged)
    server.asked.clear()
    fetch("tiny")
    assert path.read_bytes() == files[NAMES[1]]
    assert [asked for asked, _ in server.asked] == [f"/{NAMES[1]}.gz"]
    assert f"{NAMES[1]} is damaged" in capsys.readouterr().err


def test_a_flipped_byte_in_the_cache_is_an_error_when_no_source_answers(tiny, files):
    cache = write(datasets.cache_folder() / "tiny", files)
    (cache / NAMES[3]).write_bytes(files[NAMES[3]][:-1] + b"\xff")
    with pytest.raises(DataError, match=f"{NAMES[3]} is damaged"):
        load("tiny", "train")


def test_an_interrupted_download_is_resumed_where_it_stopped(tiny, files, server):
    tiny(PublicAddress(url=server.url))
    server.cut = 100
    with pytest.raises(DataError, match=r"ended after 100 of .* bytes; the next try resumes"):
        fetch("tiny")
    cache = datasets.cache_folder() / "tiny"
    assert not [name for name in NAMES if (cache / name).exists()]
    server.cut = None
    server.asked.clear()
    fetch("tiny")
    assert server.asked[0] == (f"/{NAMES[0]}.gz", "bytes=100-")


def test_a_partial_file_is_completed_or_replaced_but_never_trusted(tiny, files, server):
    tiny(PublicAddress(url=server.url))
    cache = datasets.cache_folder() / "tiny"
    cache.mkdir(parents=True)
    foreign, complete, overlong = (cache / f"{name}.gz.part" for name in NAMES[:3])
    foreign.write_bytes(b"\x00" * 50)
    complete.write_bytes((server.folder / f"{NAMES[1]}.gz").read_bytes())
    overlong.write_bytes(b"\x00" * 100_000)
    fetch("tiny")
    assert {name: (cache / name).read_bytes() for name in NAMES} == files


def test_a_server_without_ranges_starts_from_the_beginning(tiny, files, server):
    server.understands_ranges = False
    part = datasets.cache_folder() / "part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"\x00" * 50)
    sources.download(f"{server.url}{NAMES[0]}.gz", part)
    assert gzip.decompress(part.read_bytes()) == files[NAMES[0]]


def test_another_file_at_a_public_address_is_not_accepted(tiny, files, server):
    tiny(PublicAddress(url=server.url))
    (server.folder / f"{NAMES[0]}.gz").write_bytes(
        gzip.compress(files[NAMES[0]] + b"\x01", mtime=0)
    )
    with pytest.raises(DataError, match=f"{NAMES[0]} has SHA-256 .* expected"):
        fetch("tiny")
    assert not (datasets.cache_folder() / "tiny" / NAMES[0]).exists()


def test_the_final_error_lists_every_source_and_the_command(tiny, tmp_path, server, monkeypatch):
    monkeypatch.setenv("NNCOURSE_DATA", str(tmp_path / "nothing"))
    monkeypatch.setattr(sources.shutil, "which", lambda command: None)
    tiny(
        PublicAddress(url=f"{server.url}elsewhere/"),
        PublicAddress(url="http://127.0.0.1:1/"),
        NpmPackage(name="tiny-data", version="1.0.0", folder="package"),
        DebianPackage(name="dataset-tiny", folder="usr"),
    )
    with pytest.raises(DataError) as missing:
        fetch("tiny")
    for part in (
        "nothing (NNCOURSE_DATA): holds none",
        f"{NAMES[0]} is missing",
        "elsewhere/: answered 404",
        "public address http://127.0.0.1:1/: ",
        "npm package tiny-data@1.0.0: the command npm is not installed",
        "Debian package dataset-tiny: the command apt-get is not installed",
        "`nncourse data fetch tiny`",
    ):
        assert part in str(missing.value)


def test_an_address_that_never_answers_is_given_up(tiny, monkeypatch):
    monkeypatch.setattr(sources, "ANSWER_SECONDS", 0.05)
    release = threading.Event()

    def never(*arguments, **options):
        release.wait(10)
        raise OSError("too late")

    monkeypatch.setattr(sources.urllib.request, "urlopen", never)
    tiny(PublicAddress(url="http://silent.invalid/"))
    with pytest.raises(DataError, match=r"silent.invalid/: no answer within 0.05 s"):
        fetch("tiny")
    release.set()


def fake_command(monkeypatch, behavior):
    monkeypatch.setattr(sources.shutil, "which", lambda command: command)

    def run(command, *, cwd, **options):
        code = behavior(command, cwd)
        return subprocess.CompletedProcess(command, code, "", "one line\nthe reason\n")

    monkeypatch.setattr(sources.subprocess, "run", run)


def packed_tarball(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_an_npm_package_fills_the_cache_after_the_address_failed(tiny, files, monkeypatch):
    def npm(command, folder):
        assert command[:3] == ["npm", "pack", "tiny-data@1.0.0"]
        packed_tarball(folder / "tiny-data-1.0.0.tgz", files)
        return 0

    fake_command(monkeypatch, npm)
    tiny(
        PublicAddress(url="http://127.0.0.1:1/"),
        NpmPackage(name="tiny-data", version="1.0.0", folder="package/data"),
    )
    where = fetch("tiny")
    assert {name: (where / name).read_bytes() for name in NAMES} == files


@pytest.mark.parametrize(
    ("kept", "code", "complaint"),
    [
        (4, 1, "npm pack ended with 1: the reason"),
        (3, 0, f"cannot be unpacked.*{NAMES[3]}"),
        (0, 0, "cannot be unpacked"),
    ],
)
def test_a_package_that_fails_says_why(tiny, files, monkeypatch, kept, code, complaint):
    def npm(command, folder):
        packed_tarball(folder / "tiny-data-1.0.0.tgz", dict(list(files.items())[:kept]))
        return code

    fake_command(monkeypatch, npm)
    tiny(NpmPackage(name="tiny-data", version="1.0.0", folder="package/data"))
    with pytest.raises(DataError, match=complaint):
        fetch("tiny")


def test_a_debian_package_is_found_with_private_lists_on_a_bare_machine(tiny, files, monkeypatch):
    asked = []

    def apt(command, folder):
        asked.append(command)
        if command[0] == "dpkg":
            write(folder / "files" / "usr" / "share", files, packed=True)
        elif "download" in command:
            if not any(word.startswith("Dir::State::lists=") for word in command):
                return 100
            (folder / "dataset-tiny_1_all.deb").write_bytes(b"")
        return 0

    fake_command(monkeypatch, apt)
    tiny(DebianPackage(name="dataset-tiny", folder="usr/share"))
    where = fetch("tiny")
    assert {name: (where / name).read_bytes() for name in NAMES} == files
    assert [command[-1] for command in asked] == ["dataset-tiny", "update", "dataset-tiny", "files"]


FETCH_ELSEWHERE = """
import json, sys
from nncourse.zoo import datasets, sources
sha256, url = json.loads(sys.argv[1])
datasets.DATA_SETS["tiny"] = datasets.DataSet(
    name="tiny", sha256=sha256, sources=(sources.PublicAddress(url=url),)
)
datasets.fetch("tiny")
"""


def test_two_processes_that_fetch_at_once_download_once_and_both_succeed(tiny, files, server):
    pins = json.dumps([dict(datasets.DATA_SETS["tiny"].sha256), server.url])
    command = [sys.executable, "-c", FETCH_ELSEWHERE, pins]
    workers = [subprocess.Popen(command) for _ in range(2)]
    assert [worker.wait() for worker in workers] == [0, 0]
    cache = datasets.cache_folder() / "tiny"
    assert {name: (cache / name).read_bytes() for name in NAMES} == files
    assert len(server.asked) == 4


# Splits


def test_splits_keep_the_order_of_the_files_and_share_no_image(tiny, files, tmp_path):
    folder = write(tmp_path / "mine", files)
    train, validation = (load("tiny", split, folder=folder) for split in ("train", "validation"))
    everything = idx.parse(files[datasets.TRAIN_IMAGES]).astype(np.float32) / 255
    positions = datasets.validation_positions(idx.parse(files[datasets.TRAIN_LABELS]))
    assert (len(train), len(validation)) == (110, 10)
    np.testing.assert_array_equal(validation.x[:, 0], everything[positions])
    np.testing.assert_array_equal(train.x[:, 0], np.delete(everything, positions, axis=0))
    np.testing.assert_array_equal(np.sort(validation.y), np.arange(10))
    test = load("tiny", "test", folder=folder)
    np.testing.assert_array_equal(test.y, np.arange(20) % 10)


def test_every_class_gives_a_twelfth_to_validation():
    classes = np.random.default_rng(1).choice(5, size=6000, p=[0.4, 0.3, 0.2, 0.09, 0.01])
    positions = datasets.validation_positions(classes)
    counts, chosen = np.bincount(classes), np.bincount(classes[positions])
    assert len(np.unique(positions)) == 500
    assert np.all(np.abs(chosen - counts / 12) < 1)


def test_the_real_data_sets_have_their_sizes_and_the_recorded_split():
    recorded = {
        "mnist": "07c1e04491bff90e86053ccbaf5230b2f39047930c591fea5660204476993ec1",
        "fashion-mnist": "b41d71fe7420351ce4ba87370d30f3e859da1161a9f4fe4061ae34ada3b5d328",
    }
    for name, digest in recorded.items():
        train, validation, test = (load(name, split) for split in datasets.SPLITS)
        assert (len(train), len(validation), len(test)) == (55_000, 5_000, 10_000)
        assert train.x.shape[1:] == (1, 28, 28)
        assert (train.x.min(), train.x.max()) == (0.0, 1.0)
        assert set(test.y) == set(range(10))
        found = hashlib.sha256((validation.x * 255).round().astype(np.uint8).tobytes())
        assert found.hexdigest() == digest


# Names and values


def test_unknown_names_list_the_choices(tmp_path):
    with pytest.raises(ValueError, match=r"fashion-mnist, mnist, got 'mnits'"):
        fetch("mnits")
    with pytest.raises(ValueError, match=r"train, validation, test, got 'valid'"):
        load("mnist", "valid")


def test_the_fingerprint_tells_data_sets_apart():
    assert datasets.fingerprint("mnist") != datasets.fingerprint("fashion-mnist")


@pytest.mark.parametrize(
    ("x", "y", "complaint"),
    [
        (np.zeros((2, 1, 4, 4)), np.zeros(2, np.int64), "x must be float32"),
        (np.zeros((2, 4, 4), np.float32), np.zeros(2, np.int64), "x must be float32"),
        (np.zeros((2, 1, 4, 4), np.float32), np.zeros(3, np.int64), "y must be int64"),
        (np.zeros((2, 1, 4, 4), np.float32), np.zeros(2), "y must be int64"),
        (np.full((2, 1, 4, 4), 255, np.float32), np.zeros(2, np.int64), "lie in"),
        (np.full((2, 1, 4, 4), np.nan, np.float32), np.zeros(2, np.int64), "lie in"),
    ],
)
def test_images_refuse_what_is_not_images(x, y, complaint):
    with pytest.raises(ValueError, match=complaint):
        Images(x, y)


def test_one_image_alone_is_refused_with_the_way_to_write_it():
    images = Images(np.zeros((3, 1, 2, 2), np.float32), np.arange(3))
    with pytest.raises(ValueError, match=r"images\[3:4\]"):
        images[1]
    np.testing.assert_array_equal(images[np.array([True, False, True])].y, [0, 2])
