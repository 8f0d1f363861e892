"""Tests of the catalogue: what comes with the suite, and how entries of a user's own are checked."""

import contextlib
import json
from dataclasses import fields
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.miniature.captions import BLOG_PROMPT
from fluxgate.miniature.parsing import parse
from fluxgate.refusal import Refusal
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.catalogue import OWN, VARIABLE, read_catalogue, subjects
from fluxgate.subjects.entries import ShotEntry, SubjectEntry
from fluxgate.subjects.subject import Needs, Shot, Subject
from fluxgate.toml import Place, convert

FULLEST = """
[mine]
about = "our own"
source = "folder:models/ours"
pipeline = "StableDiffusion3Pipeline"
dtype = "float16"
dtypes = { vae = "float32" }
large = ["transformer"]
denoiser = "unet"
encoders = ["text_encoder", "text_encoder_2", "text_encoder_3"]
encodes = ["prompt_embeds", "negative_prompt_embeds"]
embeddings = ["prompt_embeds"]
calls_per_step = 2
decoder = "vae_2"
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
options = { strength = 0.5, clean = true }
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
    for shot in subjects()[name].shots:
        for prompt in shot.prompts:
            asked = parse(prompt)
            assert asked.groups, prompt
            assert asked.setting, prompt


def test_the_prompts_name_drawable_things_only() -> None:
    """No colour or count is asked for that the storybook never draws."""
    from fluxgate.miniature.sampling import MOST_OF
    from fluxgate.miniature.scenes import COLOURS_OF

    for shot in subjects()["miniature"].shots:
        for group in (group for prompt in shot.prompts for group in parse(prompt).groups):
            assert group.colour is None or group.colour in COLOURS_OF[group.kind], group
            assert group.count is None or group.count <= MOST_OF[group.kind], group


def test_the_miniatures_shots_cover_what_a_library_can_break() -> None:
    """A batch of two by two, every default, some defaults, sigmas of one's own, another shape than square."""
    shots = {shot.name: shot for shot in subjects()["miniature"].shots}
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
    on_cpu = subjects()["miniature"].shots_for("cpu")
    assert len(on_cpu) >= 5
    assert all(shot.height and shot.width and shot.height * shot.width <= 320 * 448 for shot in on_cpu)
    left = {shot.name for shot in subjects()["miniature"].shots} - {shot.name for shot in on_cpu}
    assert left == {"defaults", "blog"}


@pytest.mark.parametrize("name", ["grown", "flux-dev"])
def test_the_blog_posts_call_is_kept_exactly(name: str) -> None:
    """Prompt, frame, steps, seed, guidance and length are the post's."""
    blog = subjects()[name].shot("blog")
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
    assert [shot.name for shot in subjects()["grown"].shots_for("cuda", slow=True)] == ["brief"]


def test_the_miniature_and_the_grown_are_asked_for_the_same_picture() -> None:
    """Equal recipes make the two pictures comparable."""
    assert subjects()["miniature"].shot("blog").recipe == subjects()["grown"].shot("blog").recipe


@pytest.mark.parametrize("name", ["grown", "flux-dev"])
def test_the_posts_figures_are_for_known_strategies(name: str) -> None:
    """Each figure that the post reports belongs to a strategy of the registry."""
    published = subjects()[name].published
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
        subject = subjects()[name]
        assert len(str(subject.revision)) == 40
        assert subject.needs == Needs(disk=33_800_000_000, vram=40_000_000_000, token=True)


# Entries of a user's own


def test_a_users_file_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that the environment names adds its subjects behind the suite's own."""
    monkeypatch.setenv(VARIABLE, str(written(tmp_path, LEAST)))
    assert list(subjects())[-1] == "mine"
    assert subjects()["mine"] == Subject(
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
        dtypes={"vae": "float32"},
        large=("transformer",),
        denoiser="unet",
        encoders=("text_encoder", "text_encoder_2", "text_encoder_3"),
        calls_per_step=2,
        decoder="vae_2",
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
                options=(("clean", True), ("strength", 0.5)),
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


def test_a_picture_that_is_not_there_is_told_with_the_file_that_names_it(tmp_path: Path) -> None:
    """And with the subject."""
    with pytest.raises(Refusal, match=r"mine\.toml, mine: inputs names 'gone\.png'"):
        read_catalogue(written(tmp_path, LEAST + 'inputs = { image = "gone.png" }'))
    with pytest.raises(Refusal, match=r"mine\.toml, mine: inputs names 'gone\.png'"):
        read_catalogue(written(tmp_path, LEAST + 'inputs = { video = ["gone.png"] }'))
    with pytest.raises(Refusal, match=r"mine\.toml, mine: inputs .*video"):
        read_catalogue(written(tmp_path, LEAST + "inputs = { video = [] }"))
    with pytest.raises(Refusal, match=r"image must be .*PNG.* 3\b"):
        read_catalogue(written(tmp_path, LEAST + "inputs = { image = 3 }"))


def test_a_users_file_cannot_replace_a_subject(tmp_path: Path) -> None:
    """Reports of two people mean the same thing by the same name."""
    with pytest.raises(Refusal, match=r"mine\.toml: grown is .*already"):
        subjects(written(tmp_path, LEAST.replace("mine", "grown")))


def test_a_missing_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that points nowhere is an error, not an empty catalogue."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere.toml"))
    with pytest.raises(Refusal, match=r"nowhere\.toml is missing"):
        subjects()


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    """A catalogue of many megabytes is not read."""
    with pytest.raises(Refusal, match="at most 1,000,000 are read"):
        read_catalogue(written(tmp_path, "#" * 1_000_001))


def replaced(old: str, new: str) -> str:
    assert old in LEAST
    return LEAST.replace(old, new)


def with_key(line: str) -> str:
    """The least subject with more keys."""
    return LEAST.replace("about", f"{line}\nabout")


SUBJECT, SHOT = "mine: ", "mine.shots.portrait: "
FAULTS = [
    ("[mine]\nabout == 3", "is not valid TOML: "),
    (LEAST + "[mine.shots.portrait]\n", "is not valid TOML: "),
    (replaced("about", "abuot"), SUBJECT + "the key 'abuot' is unknown; did you mean 'about'?"),
    (replaced("about", "zzz"), SUBJECT + "the key 'zzz' is unknown; choose from about, source, shots, revision"),
    (replaced('about = "our own"', ""), SUBJECT + "about is missing"),
    (replaced('source = "folder:/models/ours"', ""), SUBJECT + "source is missing"),
    (replaced('"our own"', "3"), SUBJECT + "about must be a string, not an integer"),
    (
        LEAST + 'negative_prompt = "a blur"\n',
        "choose from seed, prompt, prompts, height, width, steps, guidance, max_sequence_length, pictures_per_prompt, "
        "sigmas, long, only_on, readable, options, inputs. Further arguments of the call belong in options, and "
        "pictures in inputs.",
    ),
    (
        LEAST + "options = { noise = { level = 1 } }\n",
        "noise must be a number, a string, true or false, or a list of numbers or strings; it is {'level': 1}",
    ),
    (
        replaced("[mine]", "[Mine]").replace("mine.", "Mine."),
        "the name of a subject must consist of lower-case letters",
    ),
    (replaced("[mine]", '["../x"]').replace("[mine.", '["../x".'), "and single hyphens; it is '../x'"),
    ("mine = 3", "mine must be a table, not an integer"),
    ('[mine]\nabout = "x"\nsource = "folder:x"', SUBJECT + "a subject needs at least one shot, [NAME.shots.SHOT]"),
    ('[mine]\nabout = "x"\nsource = "folder:x"\nshots = []', SUBJECT + "shots must be a table, not an array"),
    (replaced("shots.portrait", 'shots."a/b"'), SUBJECT + "the name of a shot must consist of lower-case letters"),
    ('[mine]\nabout = "x"\nsource = "folder:x"\n[mine.shots]\nportrait = 3', "portrait must be a table"),
    (replaced("folder:/models/ours", "ftp:models"), SUBJECT + "source must be package:FOLDER, cache:NAME, folder:PATH"),
    (replaced("folder:/models/ours", "folder:"), "it is 'folder:'"),
    (replaced("folder:/models/ours", "models"), "it is 'models'"),
    (replaced("folder:/models/ours", "package:../secret"), "it is 'package:../secret'"),
    (replaced("folder:/models/ours", "package:/etc"), "it is 'package:/etc'"),
    (replaced("folder:/models/ours", "cache:../x"), "it is 'cache:../x'"),
    (replaced("folder:/models/ours", "hub:flux"), "it is 'hub:flux'"),
    (replaced("folder:/models/ours", "hub:../x/y"), "it is 'hub:../x/y'"),
    (replaced("folder:/models/ours", "hub:o/n"), SUBJECT + "revision must be given for a hub source"),
    (with_key('revision = "main"').replace("folder:/models/ours", "hub:o/n"), "revision must be a commit of 40 hex"),
    (with_key(f'revision = "{"a" * 40}"'), SUBJECT + "revision must be given for a hub source, and for no other"),
    (with_key('dtype = "int8"'), SUBJECT + "dtype is 'int8'; choose from bfloat16, float16, float32"),
    (with_key('dtypes = { vae = "int8" }'), "mine.dtypes: vae is 'int8'; choose from bfloat16, float16, float32"),
    (with_key('dtypes = { transformer = "float32" }'), SUBJECT + "dtypes names transformer, which denoises"),
    (with_key('dtypes = { vae = "float32" }\ncheckpoint = "a.safetensors"'), SUBJECT + "dtypes and checkpoint cannot"),
    (with_key('pipeline = "os.system"'), SUBJECT + "pipeline must be the name of a class, a component or a value"),
    (with_key('pipeline = "__import__"'), "it is '__import__'"),
    (with_key('denoiser = "unet\\n"'), r"it is 'unet\n'"),
    (with_key('large = ["a b"]'), SUBJECT + "large 1 must be the name of a class, a component"),
    (with_key('large = "transformer"'), SUBJECT + "large must be an array, not a string"),
    (with_key('encodes = ["a", "b"]\nembeddings = ["x"]'), SUBJECT + "embeddings names 'x'; encodes has a, b"),
    (with_key("calls_per_step = 0"), SUBJECT + "calls_per_step must be 1 to 16; it is 0"),
    (with_key("vae_tile = 100"), SUBJECT + "vae_tile must be a multiple of 16, at least 64; it is 100"),
    (with_key('reader = "os.system"'), SUBJECT + "reader must consist of lower-case letters"),
    (with_key('reader = "storybook"\nreadable = true'), SUBJECT + "give reader alone; readable is its older form"),
    (with_key("readable = 1"), SUBJECT + "readable must be true or false, not an integer"),
    (with_key("needs = 3"), SUBJECT + "needs must be a table, not an integer"),
    (with_key('needs = { disc = "1 GB" }'), "mine.needs: the key 'disc' is unknown; did you mean 'disk'?"),
    (with_key("needs = { disk = 34 }"), "mine.needs: disk must be a string, not an integer"),
    (with_key('needs = { disk = "34" }'), "mine.needs: disk must be an amount such as '17 GB' or '512 MB'; it is '34'"),
    (with_key('needs = { token = "yes" }'), "mine.needs: token must be true or false, not a string"),
    (with_key("published = { full = -1 }"), "mine.published: full must be a number of GB; it is -1"),
    (with_key("published = { full = nan }"), "full must be a number of GB; it is nan"),
    (with_key("published = { full = inf }"), "full must be a number of GB; it is inf"),
    (with_key('published = { "../x" = 1 }'), SUBJECT + "the name of a strategy must consist of lower-case letters"),
    (replaced("seed", "sead"), SHOT + "the key 'sead' is unknown; did you mean 'seed'?"),
    (replaced("seed = 42", ""), SHOT + "seed is missing"),
    (replaced('prompt = "a fox"', ""), SHOT + "give prompt, or prompts for several in one call"),
    (LEAST + 'prompts = ["b"]', SHOT + "give prompt, or prompts for several in one call"),
    (LEAST.replace('prompt = "a fox"', "prompts = []"), SHOT + "give prompt, or prompts for several in one call"),
    (replaced('"a fox"', '" "'), SHOT + "prompt must be a text of 1 to 2000 characters; it is ' '"),
    (replaced('"a fox"', f'"{"x" * 2001}"'), SHOT + "prompt must be a text of 1 to 2000 characters"),
    (replaced('"a fox"', "7"), SHOT + "prompt must be a string, not an integer"),
    (replaced("42", "-1"), SHOT + "seed must be at least 0 and below 2^63; it is -1"),
    (replaced("42", str(2**63)), SHOT + "seed must be at least 0 and below 2^63"),
    (replaced("42", '"x"'), SHOT + "seed must be an integer, not a string"),
    (replaced("42", "true"), SHOT + "seed must be an integer, not true or false"),
    (LEAST + "height = 100", SHOT + "height must be a multiple of 16 from 64 to 4096; it is 100"),
    (LEAST + "width = 8192", SHOT + "width must be a multiple of 16 from 64 to 4096; it is 8192"),
    (LEAST + "width = 48", "it is 48"),
    (LEAST + "steps = 0", SHOT + "steps must be 1 to 1000; it is 0"),
    (LEAST + "steps = 2.5", SHOT + "steps must be an integer, not a number"),
    (LEAST + "max_sequence_length = 4097", SHOT + "max_sequence_length must be 1 to 4096; it is 4097"),
    (LEAST + "pictures_per_prompt = 17", SHOT + "pictures_per_prompt must be 1 to 16; it is 17"),
    (LEAST + "guidance = -1.0", SHOT + "guidance must be 0 to 100; it is -1.0"),
    (LEAST + "guidance = nan", SHOT + "guidance must be 0 to 100; it is nan"),
    (LEAST + 'only_on = "xla"', SHOT + "only_on is 'xla'; choose from cuda, cpu"),
    (LEAST + "sigmas = []", SHOT + "sigmas must fall from at most 1 to above 0; they are []"),
    (LEAST + "sigmas = [1.0, 1.0]", SHOT + "sigmas must fall"),
    (LEAST + "sigmas = [1.5, 1.0]", SHOT + "sigmas must fall"),
    (LEAST + "sigmas = [1.0, 0.0]", SHOT + "sigmas must fall"),
    (LEAST + "sigmas = [nan]", SHOT + "sigmas must fall"),
    (LEAST + "sigmas = [1.0, 0.5]\nsteps = 2", SHOT + "give steps or sigmas, not both"),
    (
        LEAST + '[mine.shots.same]\nprompt = "a fox"\nseed = 42',
        SUBJECT + "the shots portrait and same ask for the same picture",
    ),
]


@pytest.mark.parametrize(
    ("text", "words"), FAULTS, ids=[f"{number} {fault[1][:60]}" for number, fault in enumerate(FAULTS)]
)
def test_a_fault_is_one_sentence_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    """Whatever is wrong: the file, the table, the key, what it must be and what it is."""
    path = written(tmp_path, text)
    with pytest.raises(Refusal) as caught:
        read_catalogue(path)
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("readable", "reader"), [("true", "storybook"), ("false", None)])
def test_an_older_file_says_readable(tmp_path: Path, readable: str, reader: str | None) -> None:
    """It means the one reader that there was."""
    assert read_catalogue(written(tmp_path, with_key(f"readable = {readable}")))["mine"].reader == reader


# What is left out


def test_another_pipeline_says_itself_what_it_encodes(tmp_path: Path) -> None:
    """The names come from the installed class; what the entry says comes first."""
    pytest.importorskip("diffusers")
    four = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    xl = 'pipeline = "StableDiffusionXLPipeline"'
    subject = read_catalogue(written(tmp_path, with_key(xl)))["mine"]
    assert (subject.encodes, subject.embeddings) == (four, four)
    subject = read_catalogue(written(tmp_path, with_key(xl + '\nencodes = ["prompt_embeds", "ids"]')))["mine"]
    assert (subject.encodes, subject.embeddings) == (("prompt_embeds", "ids"), ("prompt_embeds",))


@pytest.mark.parametrize(
    ("pipeline", "options", "own"),
    [
        ("HiDreamImagePipeline", "", True),
        ("HunyuanDiTPipeline", "", True),
        ("HunyuanDiTPipeline", "use_resolution_binning = false", False),
        ("StableDiffusionXLPipeline", "", False),
        ("OursPipeline", "", False),
    ],
)
def test_a_shot_knows_whether_its_pipeline_chooses_the_size(
    tmp_path: Path, pipeline: str, options: str, own: bool
) -> None:
    """By the installed class, and by what the shot turns off."""
    pytest.importorskip("diffusers")
    text = written(tmp_path, with_key(f'pipeline = "{pipeline}"')).read_text() + f"\noptions = {{ {options} }}\n"
    (shot,) = read_catalogue(written(tmp_path, text))["mine"].shots
    assert (dict(shot.options), shot.own_size) == ({"use_resolution_binning": False} if options else {}, own)


def test_a_pipeline_that_is_not_installed_encodes_what_the_entry_says(tmp_path: Path) -> None:
    """Without a class nothing is guessed."""
    unknown = 'pipeline = "OursPipeline"'
    subject = read_catalogue(written(tmp_path, with_key(unknown)))["mine"]
    assert (subject.encodes, subject.embeddings) == ((), ())
    subject = read_catalogue(written(tmp_path, with_key(unknown + '\nencodes = ["embeds"]')))["mine"]
    assert (subject.encodes, subject.embeddings) == (("embeds",), ("embeds",))


def test_entries_and_subjects_have_the_same_keys() -> None:
    """A field that cannot be written, or is not handed on, would silently keep its default."""
    for entry, value, own in ((SubjectEntry, Subject, {"readable"}), (ShotEntry, Shot, {"prompt"})):
        keys, names = ({field.name for field in fields(kind)} for kind in (entry, value))
        assert keys - own == names - {"name", "own_size"}  # which the pipeline's class says


# Hashes and files


def test_the_recipes_are_those_of_the_accepted_pictures() -> None:
    """A hash that moved would make every baseline stale."""
    accepted = {
        (path.parents[1].name, shot): recipe
        for path in (Path(__file__).parents[2] / "baselines").glob("*/*/facts/*.json")
        for shot, recipe in json.loads(path.read_text())["recipes"].items()
    }
    catalogue = subjects()
    assert accepted
    assert {key: catalogue[key[0]].shot(key[1]).recipe for key in accepted} == accepted


@pytest.mark.parametrize("name", ["miniature", "grown", "flux-dev", "flux-schnell"])
def test_a_subject_survives_the_way_through_json(name: str) -> None:
    """A run keeps its subjects."""
    subject = subjects()[name]
    assert msgspec.json.decode(msgspec.json.encode(subject), type=Subject) == subject


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are an error of the file."""
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refusal, match="is not valid TOML"):
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
    table = {"about": "x", "source": "folder:x", **subject, "shots": {"a": {"prompt": "x", "seed": 1, **shot}}}
    with contextlib.suppress(Refusal):
        entry = convert(table, SubjectEntry, place=Place("mine.toml", "mine"))
        assert isinstance(entry.subject("mine", source=entry.source, folder=Path()), Subject)
