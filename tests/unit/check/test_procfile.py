"""The Procfile: it has to start the supervisor."""

from __future__ import annotations

import pytest
from check_helpers import write

from apphub.check import procfile
from apphub.paths import PROCFILE_COMMAND

VALID = {
    "the template's": f"web: {PROCFILE_COMMAND}\n",
    "the other way round": "web: bin/start-nginx python -m apphub.server\n",
    "another python": "web: python3 -m apphub.server bin/start-nginx\n",
    "beside a worker": f"worker: python -m apps.jobs\nweb : {PROCFILE_COMMAND}\n",
}
INVALID = {
    "no Procfile": (None, "procfile-no-web"),
    "no web": ("worker: python -m apphub.server bin/start-nginx\n", "procfile-no-web"),
    "an empty command": ("web:\n", "procfile-no-web"),
    "Streamlit": (
        "web: streamlit run app.py --server.port $PORT\n",
        "procfile-no-supervisor",
    ),
    "uvicorn": ("web: uvicorn app:app --port $PORT\n", "procfile-no-supervisor"),
    "Streamlit behind nginx": (
        "web: bin/start-nginx streamlit run app.py\n",
        "procfile-no-supervisor",
    ),
}
OLD = {
    "until 2026.11.1": "web: python server.py bin/start-nginx\n",
    "the other way round": "web: bin/start-nginx python server.py\n",
    "without nginx": "web: python server.py\n",
}
UNUSUAL = {
    "no nginx": ("web: python -m apphub.server\n", "procfile-no-nginx"),
    "a script": ("worker: python app.py\nweb: bash start.sh\n", "procfile-unknown-command"),
}


@pytest.mark.parametrize("text", VALID.values(), ids=VALID)
def test_valid(project, found, text):
    project.write("Procfile", text)
    assert found(procfile.check) == []


def test_crlf_and_byte_order_mark(project, found):
    write(project, "Procfile", f"\ufeffweb: {PROCFILE_COMMAND}\r\n")
    assert found(procfile.check) == []


@pytest.mark.parametrize(("text", "code"), INVALID.values(), ids=INVALID)
def test_invalid(project, findings, text, code):
    if text is not None:
        project.write("Procfile", text)
    [finding] = findings(procfile.check)
    assert (finding.code, finding.where, finding.severity) == (code, "Procfile", "error")
    assert finding.hint.endswith(f"web: {PROCFILE_COMMAND}")


@pytest.mark.parametrize("text", OLD.values(), ids=OLD)
def test_old_form(project, findings, text):
    project.write("Procfile", text)
    [missing] = findings(procfile.check)
    project.write("server.py", "import http.server\n")
    [foreign] = findings(procfile.check)
    project.write("server.py", "from apphub.server.__main__ import main\n\nmain()\n")
    [works] = findings(procfile.check)
    assert (missing.code, missing.severity) == ("procfile-server-missing", "error")
    assert (foreign.code, foreign.severity) == ("procfile-server-missing", "error")
    assert (works.code, works.severity) == ("procfile-outdated", "warning")
    for finding in (missing, foreign, works):
        assert finding.hint.endswith(f"web: {PROCFILE_COMMAND}")


@pytest.mark.parametrize(("text", "code"), UNUSUAL.values(), ids=UNUSUAL)
def test_what_may_work(project, findings, text, code):
    project.write("Procfile", text)
    [finding] = findings(procfile.check)
    assert (finding.code, finding.severity) == (code, "warning")
