"""The scripts and the `argotune` command as a user starts them: exit codes, stdout for data, stderr for words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"


class Shell:
    """Runs commands in a folder with its own SQLite store and no Phoenix."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "CONFIG_STORE_URL": f"sqlite:///{folder}/store.db",
            "PHOENIX_ENDPOINT": "http://127.0.0.1:9",
            "ARGOTUNE_PHOENIX_TIMEOUT_SECONDS": "1",
        }

    def script(self, name: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return self._run([sys.executable, str(SCRIPTS / name), *arguments], env)

    def argotune(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return self._run([sys.executable, "-m", "argotune.cli", *arguments], env)

    def _run(self, command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env={**self.env, **env}, capture_output=True, text=True, timeout=120
        )


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_discover_prints_nothing_but_json_and_only_tenants_that_want_it(shell: Shell):
    shell.argotune("tenants", "add", "acme_corp")
    shell.argotune("tenants", "add", "Größe/ä {{workflow.uid}} $(id)")
    shell.argotune("tenants", "add", "sleeping", "enable_auto_optimization=false")
    done = shell.script("discover_tenants.py", "--output", "out/tenants.json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["Größe/ä {{workflow.uid}} $(id)", "acme_corp"]
    assert json.loads((shell.folder / "out/tenants.json").read_text()) == json.loads(done.stdout)
    assert "Discovered tenants:" in done.stderr


def test_the_end_of_a_command_does_not_look_for_cycles_among_all_that_it_loaded(shell: Shell):
    code = (
        "import atexit, gc, sys; atexit.register(lambda: print(gc.get_freeze_count() > 10_000));"
        "from argotune.cli import main; sys.exit(main(['mask', 'ask jo@acme.com']))"
    )
    done = shell._run([sys.executable, "-c", code], {})
    assert (done.returncode, done.stdout) == (0, "ask <EMAIL>\nTrue\n"), done.stderr


def test_no_tenants_is_an_empty_array_and_a_store_that_is_down_is_75(shell: Shell):
    assert json.loads(shell.script("discover_tenants.py").stdout) == []
    down = shell.script("discover_tenants.py", CONFIG_STORE_URL="redis://:s3cret@127.0.0.1:9/0")
    assert (down.returncode, down.stdout) == (75, "")
    assert "s3cret" not in down.stderr
    assert len(down.stderr.splitlines()) == 1


def test_phoenix_down_is_75_and_not_no_traces(shell: Shell):
    shell.argotune("tenants", "add", "acme_corp")
    done = shell.script("auto_optimization_trigger.py", "--tenant-id", "acme_corp", "--module", "routing")
    assert done.returncode == 75
    assert "Unavailable" in done.stderr


def test_mask_shows_what_a_tenants_rules_would_mask(shell: Shell):
    shell.argotune("tenants", "add", "acme_corp", 'masking.keep=["acme.com"]')
    text = "ask jo@acme.com or kim@example.org"
    assert shell.argotune("mask", text).stdout == "ask <EMAIL> or <EMAIL>\n"
    assert shell.argotune("mask", "--tenant", "acme_corp", text).stdout == "ask jo@acme.com or <EMAIL>\n"
    found = shell.argotune("mask", "--json", text)
    assert json.loads(found.stdout) == [{"text": "ask <EMAIL> or <EMAIL>", "counts": {"email": 2}}]
    refused = shell.argotune("tenants", "set", "acme_corp", "masking.kinds=email")
    assert refused.returncode == 2
    assert "masking.kinds" in refused.stderr


def test_an_unknown_tenant_is_4(shell: Shell):
    for script in ("auto_optimization_trigger.py", "run_module_optimization.py", "aggregate_results.py"):
        done = shell.script(script, "--tenant-id", "nobody")
        assert done.returncode == 4, done.stderr
        assert "'nobody'" in done.stderr


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("min_samples_for_optimisation=5", "min_samples_for_optimisation: unknown field"),
        ("min_samples_for_optimization=-1", "min_samples_for_optimization: "),
        ("gate.min_effect=2", "gate.min_effect: "),
        ("preferred_optimizer=magic", "preferred_optimizer: "),
        ("nonsense", "'nonsense' is not of the form field=value"),
    ],
)
def test_a_bad_field_is_2_and_one_line_names_it_and_nothing_is_written(shell: Shell, field: str, told: str):
    done = shell.argotune("tenants", "add", "acme_corp", field)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert json.loads(shell.script("discover_tenants.py").stdout) == []


@pytest.mark.parametrize("tenant_id", ["", " acme", "a\nb", "a\x1b[31mb", "x" * 201])
def test_an_id_that_cannot_be_used_is_2(shell: Shell, tenant_id: str):
    done = shell.argotune("tenants", "add", tenant_id)
    assert done.returncode == 2
    assert "\x1b" not in done.stderr


def test_an_id_of_a_megabyte_is_2(shell: Shell):
    (shell.folder / "huge.json").write_text(json.dumps({"tenant_id": "x" * 1_000_000}))
    done = shell.argotune("tenants", "import", "huge.json")
    assert done.returncode == 2
    assert len(done.stderr) < 500


def test_a_file_that_is_not_utf8_is_2(shell: Shell):
    (shell.folder / "bad.json").write_bytes(b'{"tenant_id": "\xff\xfe"}')
    assert shell.argotune("tenants", "import", "bad.json").returncode == 2


def test_an_import_with_one_bad_tenant_imports_none(shell: Shell):
    (shell.folder / "two.json").write_text(json.dumps([{"tenant_id": "good"}, {"tenant_id": "bad", "typo": 1}]))
    assert shell.argotune("tenants", "import", "two.json").returncode == 2
    assert json.loads(shell.script("discover_tenants.py").stdout) == []


def test_tenants_can_be_changed_shown_listed_and_removed(shell: Shell):
    shell.argotune("tenants", "add", "acme_corp")
    assert shell.argotune("tenants", "add", "acme_corp").returncode == 9
    shell.argotune("tenants", "set", "acme_corp", "optimization_interval_seconds=7200", "gate.min_effect=0.05")
    shown = json.loads(shell.argotune("tenants", "show", "acme_corp").stdout)
    assert (shown["optimization_interval_seconds"], shown["gate"]["min_effect"]) == (7200, 0.05)
    assert "acme_corp" in shell.argotune("tenants", "list").stdout
    assert shell.argotune("tenants", "remove", "acme_corp").returncode == 0
    assert shell.argotune("tenants", "show", "acme_corp").returncode == 4


def test_promoting_without_override_is_refused(shell: Shell):
    shell.argotune("tenants", "add", "acme_corp")
    done = shell.argotune("promote", "--tenant", "acme_corp", "v123", "--reason", "because")
    assert (done.returncode, "--override" in done.stderr) == (2, True)
    done = shell.argotune("promote", "--tenant", "acme_corp", "v123", "--override", "--reason", " ")
    assert (done.returncode, "reason" in done.stderr) == (2, True)


def test_a_rollback_without_a_champion_is_4(shell: Shell):
    shell.argotune("tenants", "add", "acme_corp")
    done = shell.argotune("rollback", "--tenant", "acme_corp", "--program", "routing", "--reason", "test")
    assert done.returncode == 4


def test_aggregate_of_no_runs_is_a_summary_of_zeros(shell: Shell):
    shell.argotune("tenants", "add", "acme_corp")
    done = shell.script("aggregate_results.py", "--tenant-id", "acme_corp", "--output", "sum.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((shell.folder / "sum.json").read_text())["summary"]["runs"] == 0


def test_doctor_says_what_is_wrong_and_what_to_do(shell: Shell):
    done = shell.argotune("doctor", "--json")
    checks = {check["what"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 75
    assert checks["store"]["is_ok"]
    assert "argotune tenants add" in checks["store"]["detail"]
    assert not checks["phoenix"]["is_ok"]
    assert checks["task lm"]["is_ok"], checks
    assert checks["task lm"]["detail"].startswith("local/smollm2 answers (")


@pytest.mark.parametrize("flag", ["--use-synthetic-data=maybe", "--force-training=maybe", "--no-such-flag"])
def test_a_flag_whose_feature_does_not_exist_is_refused_not_ignored(shell: Shell, flag: str):
    assert shell.script("run_module_optimization.py", "--tenant-id", "acme_corp", flag).returncode == 2


def test_the_trigger_check_imports_neither_dspy_nor_litellm_nor_the_meta_models(shell: Shell):
    code = (
        "import sys; from argotune.cli import main; main(['trigger', '--tenant', 'x']);"
        "names = 'dspy', 'litellm', 'sklearn', 'numpy', 'pandas', 'argotune.decisions.gain_model';"
        "names += ('argotune.stats.betting',);"
        "print([m for m in names if m in sys.modules])"
    )
    done = shell._run([sys.executable, "-c", code], {})
    assert done.stdout.strip() == "[]", done.stdout


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"DSPY_CACHE_LIMIT": "a-lot"}, "DSPY_CACHE_LIMIT: a library cannot be loaded with it"),
        (
            {"DEFAULT_MAX_TOKENS": "a-lot", "ARGOTUNE_TASK_MODEL": "lm_studio/x", "ARGOTUNE_TASK_KEY": "sk-0123456789"},
            "DEFAULT_MAX_TOKENS: a library cannot be loaded with it",
        ),
        ({"VESPA_URL": "https://[::1"}, "VESPA_URL: "),
        ({"PHOENIX_ENDPOINT": "http://"}, "PHOENIX_ENDPOINT: "),
    ],
)
def test_a_variable_that_a_library_reads_when_it_is_loaded_is_told_by_name(
    shell: Shell, variables: dict[str, str], told: str
):
    done = shell._run([str(Path(sys.executable).with_name("argotune")), "doctor"], variables)
    assert done.returncode == 2, done.stdout + done.stderr
    assert told in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
