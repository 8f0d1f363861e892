"""Tests of the catalogue: what comes with the suite, and how entries of a user's own are checked."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.miniature.captions import BLOG_PROMPT, parse
from fluxgate.refusal import Refusal
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.catalogue import OWN, VARIABLE, read_catalogue, subject_named, subjects
from fluxgate.subjects.subject import Needs, Shot, Subject

FULLEST = """
[mine]
about = "our own"
source = "folder:models/ours"
pipeline = "StableDiffusion3Pipeline"
dtype = "float16"
large = ["transformer"]
denoiser = "unet"
encoders = ["text_encoder", "text_encoder_2", "text_encoder_3"]
encodes = ["prompt_embeds", "negative_prompt_embeds"]
embeddings = ["prompt_embeds"]
reader = "storybook"
vae_tile = 256
needs = { disk = "16.2 GB", vram = "18 GB", token = true }
[mine.published]
full = 18
[mine.shots.portrait]
prompts = ["a fox", "a tree"]
seed = 42
height = 1024
width = 768
guidance = 3
sigmas = [1.0, 0.5, 0.25]
max_sequence_length = 256
pictures_per_prompt = 2
long = true
only_on = "cuda"
readable = false
"""
LEAST = """
[mine]
about = "our own"
source = "folder:/models/ours"
[mine.shots.portrait]
prompt = "a fox"
seed = 42
"""


@pytest.fixture(autouse=True)
def no_file_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests see only the files that they name."""
    monkeypatch.delenv(VARIABLE, raising=False)


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


# What comes with the suite


def test_the_catalogue_holds_the_four_subjects() -> None:
    """The subjects come in the order of the file."""
    assert list(subjects()) == ["miniature", "grown", "flux-dev", "flux-schnell"]


@pytest.mark.parametrize("name", ["miniature", "grown"])
def test_every_readable_prompt_asks_for_something(name: str) -> None:
    """The reader can judge each shot: the grammar finds things and a setting in every prompt."""
    for shot in subject_named(name).shots:
        for prompt in shot.prompts:
            asked = parse(prompt)
            assert asked.groups, prompt
            assert asked.setting, prompt


def test_the_prompts_name_drawable_things_only() -> None:
    """No colour or count is asked for that the storybook never draws."""
    from fluxgate.miniature.scenes import COLOURS_OF, MOST_OF

    for shot in subject_named("miniature").shots:
        for group in (group for prompt in shot.prompts for group in parse(prompt).groups):
            assert group.colour is None or group.colour in COLOURS_OF[group.kind], group
            assert group.count is None or group.count <= MOST_OF[group.kind], group


def test_the_miniatures_shots_cover_what_a_library_can_break() -> None:
    """A batch of two by two, every default, some defaults, sigmas of one's own, another shape than square."""
    shots = {shot.name: shot for shot in subject_named("miniature").shots}
    assert len(shots) >= 5
    assert (len(shots["pairs"].prompts), shots["pairs"].pictures_per_prompt, shots["pairs"].pictures) == (2, 2, 4)
    assert set(shots["defaults"].arguments()) == {"prompt"}
    assert set(shots["unsaid"].arguments()) == {"prompt", "height", "width", "num_inference_steps"}
    assert shots["sigmas"].sigmas is not None
    assert shots["wide"].height != shots["wide"].width
    assert len({shot.guidance for shot in shots.values()}) >= 4
    assert len({shot.seed for shot in shots.values()}) >= 5


def test_the_miniature_has_enough_to_do_on_a_cpu() -> None:
    """The shots for any machine are small; those that take minutes on a CPU are left to a GPU."""
    on_cpu = subject_named("miniature").shots_for("cpu")
    assert len(on_cpu) >= 5
    assert all(shot.height and shot.width and shot.height * shot.width <= 320 * 448 for shot in on_cpu)
    left = {shot.name for shot in subject_named("miniature").shots} - {shot.name for shot in on_cpu}
    assert left == {"defaults", "blog"}


@pytest.mark.parametrize("name", ["grown", "flux-dev"])
def test_the_blog_posts_call_is_kept_exactly(name: str) -> None:
    """Prompt, frame, steps, seed, guidance and length are the post's."""
    blog = subject_named(name).shot("blog")
    assert blog.arguments() == {
        "prompt": BLOG_PROMPT,
        "height": 768,
        "width": 1360,
        "num_inference_steps": 50,
        "guidance_scale": 3.5,
        "max_sequence_length": 512,
    }
    assert (blog.seed, blog.long) == (42, True)


def test_a_slow_strategy_gets_the_brief_shot_alone() -> None:
    """Where a step takes seconds, only the short shots are rendered."""
    assert [shot.name for shot in subject_named("grown").shots_for("cuda", slow=True)] == ["brief"]


def test_the_miniature_and_the_grown_are_asked_for_the_same_picture() -> None:
    """Equal recipes make the two pictures comparable."""
    assert subject_named("miniature").shot("blog").recipe == subject_named("grown").shot("blog").recipe


@pytest.mark.parametrize("name", ["grown", "flux-dev"])
def test_the_posts_figures_are_for_known_strategies(name: str) -> None:
    """Each figure that the post reports belongs to a strategy of the registry."""
    published = subject_named(name).published
    assert published == {
        "full": 39.27,
        "sequential-offload": 2,
        "model-offload": 24,
        "staged-as-published": 29.68,
        "nf4-as-published": 19.05,
        "nf4-model-offload": 8.5,
    }
    assert set(published) <= {strategy.name for strategy in STRATEGIES}


def test_hub_subjects_are_pinned_to_commits() -> None:
    """Both hub subjects name a commit and ask for a token."""
    for name in ("flux-dev", "flux-schnell"):
        subject = subject_named(name)
        assert len(str(subject.revision)) == 40
        assert subject.needs == Needs(disk=33_800_000_000, vram=40_000_000_000, token=True)


# Entries of a user's own


def test_a_users_file_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that the environment names adds its subjects behind the suite's own."""
    monkeypatch.setenv(VARIABLE, str(written(tmp_path, LEAST)))
    assert list(subjects())[-1] == "mine"
    assert subject_named("mine") == Subject(
        name="mine", about="our own", source="folder:/models/ours", shots=(Shot("portrait", ("a fox",), 42),)
    )


def test_every_key_reaches_its_field(tmp_path: Path) -> None:
    """All that can be said of a subject is kept, and a folder is meant from where the file lies."""
    assert read_catalogue(written(tmp_path, FULLEST))["mine"] == Subject(
        name="mine",
        about="our own",
        source=f"folder:{tmp_path}/models/ours",
        pipeline="StableDiffusion3Pipeline",
        dtype="float16",
        large=("transformer",),
        denoiser="unet",
        encoders=("text_encoder", "text_encoder_2", "text_encoder_3"),
        encodes=("prompt_embeds", "negative_prompt_embeds"),
        embeddings=("prompt_embeds",),
        reader="storybook",
        vae_tile=256,
        needs=Needs(disk=16_200_000_000, vram=18_000_000_000, token=True),
        published={"full": 18.0},
        shots=(
            Shot(
                name="portrait",
                prompts=("a fox", "a tree"),
                seed=42,
                height=1024,
                width=768,
                guidance=3.0,
                max_sequence_length=256,
                pictures_per_prompt=2,
                sigmas=(1.0, 0.5, 0.25),
                long=True,
                only_on="cuda",
                readable=False,
            ),
        ),
    )


def test_the_example_in_the_file_works(tmp_path: Path) -> None:
    """The entry that the catalogue's own comment shows is valid once it is uncommented."""
    lines = OWN.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.strip() == "#     [mine]")
    end = next(number for number, line in enumerate(lines) if line.startswith("# Everything but"))
    text = "\n".join(line.removeprefix("#").removeprefix("     ") for line in lines[start:end])
    subject = read_catalogue(written(tmp_path, text))["mine"]
    assert (subject.shots[0].name, subject.shots[0].steps) == ("portrait", 20)


def test_an_unknown_subject_is_refused_with_the_one_that_was_meant() -> None:
    """A misspelt name gets its neighbour."""
    with pytest.raises(Refusal, match=r"^The subject 'minature' is unknown; did you mean 'miniature'\?$"):
        subject_named("minature")


def test_a_users_file_cannot_replace_a_subject(tmp_path: Path) -> None:
    """Reports of two people mean the same thing by the same name."""
    with pytest.raises(Refusal, match=r"mine\.toml: grown is in the catalogue already; choose another name"):
        subjects(written(tmp_path, LEAST.replace("mine", "grown")))


def test_a_missing_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that points nowhere is an error, not an empty catalogue."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere.toml"))
    with pytest.raises(Refusal, match=r"nowhere\.toml is missing or is not a file"):
        subjects()


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    """A catalogue of many megabytes is not read."""
    with pytest.raises(Refusal, match="at most 1,000,000 are read"):
        read_catalogue(written(tmp_path, "#" * 1_000_001))


def replaced(old: str, new: str) -> str:
    assert old in LEAST
    return LEAST.replace(old, new)


SHOT = ", mine, shot portrait: "
FAULTS = [
    ("[mine]\nabout == 3", r"mine\.toml is no valid TOML: .*line 2"),
    (LEAST + "[mine.shots.portrait]\n", r"is no valid TOML: .*portrait.*twice"),
    (replaced("about", "abuot"), r"mine\.toml, mine: there is no key 'abuot'; did you mean about\?$"),
    (replaced("about", "zzz"), "there is no key 'zzz'; known are about, source, shots, revision"),
    (replaced('about = "our own"', ""), r", mine: about is missing\.$"),
    (replaced('source = "folder:/models/ours"', ""), ", mine: source is missing"),
    (replaced('"our own"', "3"), ", mine: about: expected `str`, got `int`"),
    (replaced("[mine]", "[Mine]").replace("mine.", "Mine."), "'Mine' cannot name a subject"),
    (replaced("[mine]", '["../x"]').replace("[mine.", '["../x".'), "'../x' cannot name a subject"),
    ("mine = 3", r", mine: a subject is a table, \[mine\]"),
    ('[mine]\nabout = ""\nsource = "folder:x"', "a subject needs at least one shot"),
    ('[mine]\nabout = ""\nsource = "folder:x"\nshots = []', "a subject needs at least one shot"),
    (replaced("shots.portrait", 'shots."a/b"'), "shot a/b: use lower-case letters"),
    ('[mine]\nabout = ""\nsource = "folder:x"\n[mine.shots]\nportrait = 3', SHOT + "a shot is a table"),
    (replaced("folder:/models/ours", "ftp:models"), "source is 'ftp:models'; it is package:FOLDER, cache:NAME"),
    (replaced("folder:/models/ours", "folder:"), "source is 'folder:'"),
    (replaced("folder:/models/ours", "models"), "source is 'models'"),
    (replaced("folder:/models/ours", "package:../secret"), "is no folder inside the package"),
    (replaced("folder:/models/ours", "package:/etc"), "is no folder inside the package"),
    (replaced("folder:/models/ours", "cache:../x"), "cannot name a folder in the cache"),
    (replaced("folder:/models/ours", "hub:flux"), "names no repository; write hub:OWNER/NAME"),
    (replaced("folder:/models/ours", "hub:../x/y"), "names no repository"),
    (replaced("folder:/models/ours", "hub:owner/name"), "revision must be a commit of 40 hexadecimal digits"),
    (LEAST.replace("about", 'revision = "main"\nabout').replace("folder:/models/ours", "hub:o/n"), "must be a commit"),
    (LEAST.replace("about", f'revision = "{"a" * 40}"\nabout'), "revision is for a hub source only"),
    (LEAST.replace("about", 'dtype = "int8"\nabout'), "dtype is 'int8'; it is one of bfloat16, float16, float32"),
    (LEAST.replace("about", 'pipeline = "os.system"\nabout'), "'os.system' cannot name a class"),
    (LEAST.replace("about", 'pipeline = "__import__"\nabout'), "'__import__' cannot name a class"),
    (LEAST.replace("about", 'large = ["a b"]\nabout'), "'a b' cannot name a class, a component"),
    (LEAST.replace("about", 'large = "transformer"\nabout'), "large: expected `array`, got `str`"),
    (LEAST.replace("about", 'embeddings = ["x"]\nabout'), "embeddings names 'x'; encode_prompt returns prompt_embeds,"),
    (LEAST.replace("about", "calls_per_step = 0\nabout"), "calls_per_step is 0; it is 1 to 16"),
    (LEAST.replace("about", "vae_tile = 100\nabout"), "vae_tile is 100; it is a multiple of 16, at least 64"),
    (LEAST.replace("about", "needs = 3\nabout"), "needs is a table"),
    (
        LEAST.replace("about", 'needs = { disc = "1 GB" }\nabout'),
        r", needs: there is no key 'disc'; did you mean disk\?",
    ),
    (LEAST.replace("about", "needs = { disk = 34 }\nabout"), "needs: disk is '34'; write it like '17 GB'"),
    (LEAST.replace("about", 'needs = { token = "yes" }\nabout'), "needs: token is true or false"),
    (LEAST.replace("about", "published = { full = -1 }\nabout"), "published full is -1"),
    (LEAST.replace("about", "published = { full = nan }\nabout"), "published full is nan"),
    (LEAST.replace("about", 'published = { "../x" = 1 }\nabout'), r"published \.\./x is 1"),
    (replaced("seed", "sead"), SHOT + r"there is no key 'sead'; did you mean seed\?"),
    (replaced("seed = 42", ""), SHOT + "seed is missing"),
    (replaced('prompt = "a fox"', ""), SHOT + "prompts is missing"),
    (LEAST + 'prompts = ["b"]', SHOT + "give prompt or prompts, not both"),
    (replaced('"a fox"', '" "'), SHOT + "a prompt is a text of 1 to 2000 characters"),
    (replaced('"a fox"', "7"), SHOT + r"prompts\[0\]: expected `str`, got `int`"),
    (LEAST.replace('prompt = "a fox"', "prompts = []"), SHOT + "a prompt is a text"),
    (replaced("42", "-1"), SHOT + "seed is -1; it is at least 0"),
    (replaced("42", '"x"'), SHOT + "seed: expected `int`, got `str`"),
    (replaced("42", "true"), SHOT + "seed: expected `int`, got `bool`"),
    (LEAST + "height = 100", SHOT + "height is 100; it is a multiple of 16 from 64 to 4096"),
    (LEAST + "width = 8192", SHOT + "width is 8192; it is a multiple of 16"),
    (LEAST + "width = 48", SHOT + "width is 48"),
    (LEAST + "steps = 0", SHOT + "steps is 0; it is 1 to 1000"),
    (LEAST + "steps = 2.5", SHOT + "steps: expected `int"),
    (LEAST + "max_sequence_length = 513", SHOT + "max_sequence_length is 513; it is 1 to 512"),
    (LEAST + "pictures_per_prompt = 17", SHOT + "pictures_per_prompt is 17; it is 1 to 16"),
    (LEAST + "guidance = -1.0", SHOT + r"guidance is -1\.0; it is 0 to 100"),
    (LEAST + "guidance = nan", SHOT + "guidance is nan"),
    (LEAST + 'only_on = "tpu"', SHOT + "only_on is 'tpu'; it is one of cuda, cpu"),
    (LEAST + "sigmas = []", SHOT + "sigmas fall from at most 1 to above 0"),
    (LEAST + "sigmas = [1.0, 1.0]", SHOT + "sigmas fall"),
    (LEAST + "sigmas = [1.5, 1.0]", SHOT + "sigmas fall"),
    (LEAST + "sigmas = [1.0, 0.0]", SHOT + "sigmas fall"),
    (LEAST + "sigmas = [nan]", SHOT + "sigmas fall"),
    (LEAST + "sigmas = [1.0, 0.5]\nsteps = 2", SHOT + "give steps or sigmas, not both"),
    (LEAST + '[mine.shots.same]\nprompt = "a fox"\nseed = 42', "the shots portrait and same ask for the same picture"),
]


@pytest.mark.parametrize(
    ("text", "sentence"), FAULTS, ids=[f"{number} {fault[1][:60]}" for number, fault in enumerate(FAULTS)]
)
def test_a_fault_is_one_sentence_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    """Whatever is wrong, the message names the file and, in words, the subject, the shot and the key."""
    path = written(tmp_path, text)
    with pytest.raises(Refusal, match=sentence) as caught:
        read_catalogue(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are an error of the file."""
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refusal, match="is no valid TOML"):
        read_catalogue(path)


@given(st.binary(max_size=300))
def test_no_file_raises_anything_but_a_refusal(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever stands in the file, the answer is a catalogue or a sentence."""
    path = tmp_path_factory.mktemp("catalogue") / "mine.toml"
    path.write_bytes(content)
    with contextlib.suppress(Refusal):
        assert read_catalogue(path) == {}


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), st.lists(st.integers(), max_size=2)
)
KEYS = st.sampled_from(
    ["about", "source", "revision", "dtype", "large", "needs", "published", "vae_tile", "prompt", "seed", "height"]
)


@given(st.dictionaries(KEYS, VALUES, max_size=6), st.dictionaries(KEYS, VALUES, max_size=6))
def test_no_entry_raises_anything_but_a_refusal(subject: dict[str, object], shot: dict[str, object]) -> None:
    """Values of any type at any key end in a subject or a sentence."""
    from fluxgate.subjects.catalogue import _subject

    table = {"about": "x", "source": "folder:x", **subject, "shots": {"a": {"prompt": "x", "seed": 1, **shot}}}
    with contextlib.suppress(Refusal):
        assert isinstance(_subject("mine", table, Path("mine.toml")), Subject)
