"""The user's surroundings: cores that may be used, a home, other software's packages, terminals, kernels."""

import json
import os
import subprocess
import sys

import pytest

from helpers import cores, paths
from helpers.engine import cli, snakemake, surroundings
from helpers.engine.kernels import OwnKernelManager, OwnKernelSpecs
from helpers.errors import ParameterError, UserError
from helpers.params import notebook_params
from support.project import ROOT

PYTHON2 = {"argv": ["/usr/bin/python2", "-m", "ipykernel_launcher", "-f", "{connection_file}"]}

# as these tests may be started by make, which then says where it is, and hands on what it was given
MAKE = ["env", *(f"-u{name}" for name in ("MAKEFLAGS", "ARGS", "TORCH")), "make", "--no-print-directory"]


class TestCores:
    @pytest.fixture
    def groups(self, tmp_path, monkeypatch):
        """Control groups of a made-up machine with eight cores: a function that writes their files."""
        monkeypatch.setattr(cores, "CGROUPS", tmp_path / "cgroup")
        monkeypatch.setattr(cores, "OWN_CGROUP", tmp_path / "own")
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)

        def write(own, **files):
            (tmp_path / "own").write_text(own)
            for name, text in files.items():
                path = tmp_path / "cgroup" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)

        return write

    def test_affinity_counts_where_nothing_else_limits(self, groups):
        assert cores.allowed_cores() == 8
        groups("0::/\n", **{"cpu.max": "max 100000\n"})
        assert cores.allowed_cores() == 8

    @pytest.mark.parametrize(
        ("quota", "allowed"), [("200000", 2), ("150000", 2), ("50000", 1), ("1600000", 8)]
    )
    def test_a_quota_of_the_second_version_is_rounded_up(self, groups, quota, allowed):
        groups("0::/\n", **{"cpu.max": f"{quota} 100000\n"})
        assert cores.allowed_cores() == allowed

    def test_the_smallest_quota_above_counts(self, groups):
        groups("0::/slice/job\n", **{"slice/job/cpu.max": "max 100000", "slice/cpu.max": "300000 100000"})
        assert cores.allowed_cores() == 3

    def test_a_quota_of_the_first_version_counts(self, groups):
        files = {"cpu/job/cpu.cfs_quota_us": "400000\n", "cpu/job/cpu.cfs_period_us": "100000\n"}
        groups("5:cpu,cpuacct:/job\n4:memory:/job\n", **files)
        assert cores.allowed_cores() == 4
        groups("5:cpu,cpuacct:/job\n", **{"cpu/job/cpu.cfs_quota_us": "-1\n"})
        assert cores.allowed_cores() == 8

    @pytest.mark.skipif(sys.platform != "linux", reason="affinity is Linux's")
    def test_help_tells_what_a_limited_start_may_use(self):
        told = subprocess.run(
            [sys.executable, ROOT / "run_all.py", "--help"],
            capture_output=True,
            text=True,
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
        )
        assert "here 1;" in " ".join(told.stdout.split())


class TestHome:
    def test_one_that_can_be_written_stays(self, tmp_path):
        assert surroundings.writable_home({"HOME": str(tmp_path), "A": "b"}) == {
            "HOME": str(tmp_path),
            "A": "b",
        }

    def test_one_that_cannot_is_replaced_with_all_that_leads_there(self, tmp_path, monkeypatch):
        monkeypatch.setattr(surroundings, "ARTIFACTS", tmp_path / "artifacts")
        given = {
            "HOME": "/dev/null/home",
            "XDG_CACHE_HOME": "/dev/null/cache",
            "XDG_DATA_HOME": str(tmp_path),
        }
        found = surroundings.writable_home(given)
        assert found == {"HOME": str(tmp_path / "artifacts" / ".home"), "XDG_DATA_HOME": str(tmp_path)}
        assert os.path.isdir(found["HOME"])


class TestPackages:
    def test_older_ones_of_other_software_stand_behind_this_pythons_own(self, tmp_path):
        (tmp_path / "pydantic").mkdir()
        (tmp_path / "pydantic" / "__init__.py").write_text("VERSION = '1.10'\nclass BaseModel: pass\n")
        told = subprocess.run(
            [sys.executable, ROOT / "run_all.py", "--list"],
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert told.returncode == 0 and "quick" in told.stdout and told.stderr == ""
        assert surroundings.project_path({"PYTHONPATH": str(tmp_path)}) == str(ROOT / "src")

    def test_a_folder_that_alone_holds_a_needed_package_is_kept(self, tmp_path, monkeypatch):
        found = tmp_path / "seaborn-0.13.2.dist-info"
        found.mkdir()
        (found / "METADATA").write_text("Metadata-Version: 2.1\nName: seaborn\nVersion: 0.13.2\n")
        assert surroundings.project_path({"PYTHONPATH": str(tmp_path)}) == str(ROOT / "src")
        monkeypatch.setattr(sys, "path", [str(tmp_path)])
        kept = os.pathsep.join([str(ROOT / "src"), str(tmp_path)])
        assert surroundings.project_path({"PYTHONPATH": str(tmp_path)}) == kept

    def test_too_old_ones_are_named_with_what_is_needed(self, monkeypatch):
        surroundings.check_versions()
        version = surroundings.importlib.metadata.version
        old = {"pandas": "2.2.0"}
        monkeypatch.setattr(
            surroundings.importlib.metadata, "version", lambda name: old.get(name) or version(name)
        )
        with pytest.raises(UserError, match=r"pandas is 2\.2\.0 and must be >=3\.1.*make report"):
            surroundings.check_versions()

    def test_a_python_whose_packages_do_not_fit_is_told_in_a_sentence(self, tmp_path):
        (tmp_path / "sitecustomize.py").write_text(
            "import sys, types\nsys.modules['pydantic'] = types.ModuleType('pydantic')\n"
        )
        told = subprocess.run(
            [sys.executable, ROOT / "run_all.py", "--list"],
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert told.returncode == 2 and len(told.stderr.splitlines()) == 1
        assert "does not fit" in told.stderr and "make report" in told.stderr


class TestSystems:
    def test_windows_is_sent_to_wsl_at_once(self, tmp_path):
        (tmp_path / "sitecustomize.py").write_text("import sys\nsys.platform = 'win32'\n")
        for words in ([ROOT / "run_all.py"], ["-c", "import helpers.paths"]):
            told = subprocess.run(
                [sys.executable, *words],
                env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT / "src")])},
                capture_output=True,
                text=True,
            )
            assert told.returncode != 0 and "WSL" in told.stderr.splitlines()[-1]

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
    def test_any_class_name_is_printed_in_any_encoding(self, encoding):
        told = subprocess.run(
            [sys.executable, ROOT / "run_all.py", "--dry-run", "--set", "data.target_class=Nävus 黑色素瘤"],
            env=os.environ | {"PYTHONIOENCODING": encoding},
            capture_output=True,
        )
        assert told.returncode == 2 and b"Traceback" not in told.stderr
        assert "data.target_class is 'N" in told.stderr.decode(encoding)

    def test_nothing_is_printed_where_the_output_is_closed(self):
        command = f"'{sys.executable}' '{ROOT / 'run_all.py'}' --list >&-"
        told = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
        assert told.returncode == 0 and told.stderr == ""

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ("C:\\Users\\me\\derm", "as Windows writes a folder: in WSL its name is /mnt/c/Users/me/derm."),
            ("d:/derm", "as Windows writes a folder: in WSL its name is /mnt/d/derm."),
            ("https://example.org/derm.zip", "an address: download what is there, and name its folder here."),
        ],
    )
    @pytest.mark.parametrize("words", [["--data-root", "{}"], ["--set", "data.root='{}'"]])
    def test_a_folder_that_is_no_path_here(self, capsys, words, given, said):
        assert cli.main(["--set", "data.source=folder", "--dry-run", words[0], words[1].format(given)]) == 2
        what = words[0] if words[0] == "--data-root" else "data.root"
        assert capsys.readouterr().err == f"run_all.py: {what} is '{given}', {said}\n"

    def test_list_stands_in_two_columns(self, capsys):
        assert cli.main(["--list"]) == 0
        lines = capsys.readouterr().out.splitlines()
        width = max(len(path.stem) for path in paths.PARAMS.glob("*.yaml"))
        assert all(line[width : width + 2] == "  " and line[width + 2] != " " for line in lines)
        assert len({line.split()[0] for line in lines}) == len(lines) > 5


class TestKernels:
    def test_another_pythons_kernel_of_the_same_name_is_not_started(self, tmp_path, monkeypatch):
        folder = tmp_path / "kernels" / "python3"
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(
            json.dumps(PYTHON2 | {"display_name": "Old", "language": "python"})
        )
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
        specs = OwnKernelSpecs()
        for argv in (
            specs.get_kernel_spec("python3").argv,
            specs.get_all_specs()["python3"]["spec"]["argv"],
            OwnKernelManager(kernel_name="python3").kernel_spec.argv,
        ):
            assert argv[0] == sys.executable

    def test_a_notebook_of_another_copy_of_the_project_is_refused(self, tmp_path, monkeypatch):
        (tmp_path / "src" / "helpers" / "params").mkdir(parents=True)
        (tmp_path / "notebooks").mkdir()
        for folder in (tmp_path, tmp_path / "notebooks"):
            monkeypatch.chdir(folder)
            with pytest.raises(ParameterError, match="another copy of the project") as mistake:
                notebook_params("smoke.yaml")
            assert str(ROOT) in str(mistake.value) and str(tmp_path) in str(mistake.value)
        monkeypatch.chdir(ROOT / "notebooks")
        assert notebook_params("params/smoke.yaml")


def make(folder, *words):
    return subprocess.run([*MAKE, "-n", *words], cwd=folder, capture_output=True, text=True)


class TestMake:
    @pytest.fixture
    def folder(self, tmp_path):
        folder = tmp_path / "a project"
        (folder / ".venv").mkdir(parents=True)
        for name in ("Makefile", "requirements.txt", "pyproject.toml"):
            (folder / name).write_bytes((ROOT / name).read_bytes())
        (folder / ".venv" / "bin").mkdir()
        (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
        (folder / ".venv" / ".ready").write_text(f"{folder.resolve()}\n")
        return folder

    def test_an_environment_in_its_place_is_used_and_one_from_elsewhere_is_made_anew(self, folder):
        assert make(folder, "report").stdout.split() == [".venv/bin/python", "run_all.py"]
        moved = folder.rename(folder.with_name("moved project"))
        told = make(moved, "report").stdout
        assert "installed for another folder" in told and str(folder) in told and "rm -rf .venv" in told
        (moved / ".venv" / ".ready").write_text("")  # of an earlier edition
        assert "not known any more" in make(moved, "report").stdout

    def test_an_environment_whose_python_is_gone_is_made_anew(self, folder):
        python = folder / ".venv" / "bin" / "python"
        python.unlink()
        python.symlink_to("/gone with the last update/python3.11")
        told = make(folder, "report").stdout
        assert "The Python of .venv cannot be started any more, as" in told and "rm -rf .venv" in told

    def test_an_update_of_the_packages_asks_for_no_room_for_a_whole_environment(self, folder):
        os.utime(folder / "pyproject.toml", (2_000_000_000, 2_000_000_000))
        assert '[ -e .venv/.ready ] || [ "$free" -ge 9 ]' in make(folder, "report").stdout
        assert "-ge 3 ] ||" in make(folder, "report", "TORCH=cpu").stdout

    def test_lab_hands_its_arguments_on_and_starts_by_this_python(self, folder):
        line = make(folder, "lab", "ARGS=--allow-root").stdout.splitlines()[-1]
        assert line.startswith(".venv/bin/python -m jupyterlab ") and " --allow-root " in line
        assert "OwnKernelSpecs" in line

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root is asked")
    def test_root_is_told_how_to_start_the_lab(self, folder):
        told = subprocess.run([*MAKE, "lab"], cwd=folder, capture_output=True, text=True)
        assert told.returncode != 0 and "make lab ARGS=--allow-root" in told.stdout

    def test_nothing_from_outside_leads_packages_elsewhere(self, folder):
        (folder / "probe.mk").write_text(
            "include Makefile\nprobe:\n\t@echo user=$$PIP_USER path=$$PYTHONPATH target=$$PIP_TARGET.\n"
        )
        told = subprocess.run(
            [*MAKE, "-f", "probe.mk", "probe"],
            cwd=folder,
            env=os.environ | {"PIP_USER": "1", "PYTHONPATH": "/old", "PIP_TARGET": "/else"},
            capture_output=True,
            text=True,
        )
        assert told.stdout.strip() == "user=0 path= target=."


class TestMemory:
    def test_jobs_keep_their_memory_unless_the_user_says_how(self, tmp_path, monkeypatch):
        monkeypatch.setattr(snakemake, "held_ticket", lambda folder: "ticket")
        monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
        assert "hugetlb=1" in snakemake.environment(paths.RunPaths("memory"))["GLIBC_TUNABLES"]
        monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=1")
        kept = snakemake.environment(paths.RunPaths("memory"))["GLIBC_TUNABLES"]
        assert kept == "glibc.malloc.arena_max=1"


def test_an_unreadable_parameter_file_does_not_hide_the_others(tmp_path, monkeypatch, capsys):
    (tmp_path / "broken.yaml").write_text("a: [")
    (tmp_path / "good.yaml").write_text("description: What it is for")
    monkeypatch.setattr(cli, "PARAMS", tmp_path)
    assert cli.main(["--list"]) == 0
    broken, good = capsys.readouterr().out.splitlines()
    assert broken.startswith("broken  ") and "broken.yaml" in broken
    assert good == "good    What it is for"
