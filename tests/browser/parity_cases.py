"""Apps, and what a user does in them: each has to behave in the hub as under `streamlit run`.

An app that calls run() when it is the main program is tested as a module of the hub, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import dedent

IMPORT = "import streamlit as st\n"
MAIN = '\nif __name__ == "__main__":\n    run()\n'


@dataclass(frozen=True)
class Case:
    """An app and what a user does in it.

    Attributes:
        source: the app's file.
        steps: what the user does: "click LABEL", "fill LABEL=TEXT", "choose LABEL=OPTION",
            "tab NAME", "open PAGE", "reload".
        files: other files of the app, in its folder; with any, the app is a folder.
        second: whether another browser's page is compared afterwards, too.
    """

    source: str
    steps: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    second: bool = False

    @property
    def is_module(self) -> bool:
        """Whether the app may be a module of the hub."""
        return "def run(" in self.source and not self.files


def script(source: str, *steps: str, second: bool = False) -> Case:
    """Return a case of a script. Its source has the import of Streamlit added."""
    return Case(IMPORT + dedent(source), steps, {}, second)


def module(source: str, *steps: str, second: bool = False) -> Case:
    """Return a case of a file with run(), which it calls when it is the main program."""
    return Case(IMPORT + dedent(source) + MAIN, steps, {}, second)


def folder(source: str, files: dict[str, str], *steps: str) -> Case:
    """Return a case of a folder with an entry script."""
    return Case(IMPORT + dedent(source), steps, {k: dedent(v) for k, v in files.items()})


CASES: dict[str, Case] = {
    "a list at the top": module(
        """
        notes = []

        def run():
            st.title("Notes")
            text = st.text_input("Note")
            if text:
                notes.append(text)
            for note in notes:
                st.text(note)
            st.button("again")
        """,
        *("fill Note=one", "fill Note=two", "click again"),
        second=True,
    ),
    "a sidebar and state at the top": module(
        """
        st.sidebar.header("Filters")
        if "count" not in st.session_state:
            st.session_state.count = 0

        def run():
            st.title("Top level")
            if st.button("more"):
                st.session_state.count += 1
            st.write("count is", st.session_state.count)
        """,
        *("click more", "click more", "click more"),
        second=True,
    ),
    "wide, at the top": module(
        """
        st.set_page_config(page_title="Mine", page_icon="🚀", layout="wide")

        def run():
            st.title("Wide")
            st.button("again")
        """,
        *("click again", "click again"),
    ),
    "wide, in run()": module(
        """
        def run():
            st.set_page_config(page_title="Mine", layout="wide")
            st.title("Wide")
            st.button("again")
        """,
        "click again",
    ),
    "a collapsed sidebar": script(
        """
        st.set_page_config(initial_sidebar_state="collapsed")
        st.sidebar.write("hidden at first")
        st.title("Collapsed")
        """
    ),
    "magic at the top": script(
        """
        import pandas as pd
        "## A heading by magic"
        df = pd.DataFrame({"a": [1, 2]})
        df
        x = 3
        x
        "end"
        """
    ),
    "magic in run()": module(
        """
        def run():
            st.title("Magic")
            "A sentence"
            x = [1, 2]
            x
            st.write("end")
        """
    ),
    "a password gate": module(
        """
        def entered():
            st.session_state["correct"] = st.session_state["pw"] == "open"

        def run():
            st.title("Gate")
            if not st.session_state.get("correct"):
                st.text_input("Password", type="password", key="pw", on_change=entered)
                st.stop()
            st.write("inside")
        """,
        "fill Password=open",
        second=True,
    ),
    "a chat": module(
        """
        def run():
            st.title("Chat")
            messages = st.session_state.setdefault("messages", [])
            for message in messages:
                with st.chat_message(message["role"]):
                    st.write(message["content"])
            if st.button("say"):
                messages.append({"role": "user", "content": f"message {len(messages)}"})
                st.rerun()
        """,
        *("click say", "click say"),
        second=True,
    ),
    "cached data of a dataclass": module(
        """
        from dataclasses import dataclass

        @dataclass
        class Row:
            a: int

        @st.cache_data
        def load():
            return [Row(1), Row(2)]

        def run():
            st.title("Rows")
            rows = load()
            st.text(f"{len(rows)} {isinstance(rows[0], Row)}")
            st.button("again")
        """,
        *("click again", "click again"),
    ),
    "an enum in a selectbox": module(
        """
        import enum

        class Kind(enum.Enum):
            A = 1
            B = 2

        def run():
            st.title("Enum")
            kind = st.selectbox("Kind", list(Kind), format_func=lambda kind: kind.name)
            st.text(f"{kind.name} {kind in list(Kind)} {kind is Kind.B}")
        """,
        "choose Kind=B",
    ),
    "a global counter": module(
        """
        total = 0

        def add():
            global total
            total += 1

        def run():
            st.title("Global")
            add()
            add()
            st.text(f"total {total}")
            st.button("again")
        """,
        *("click again", "click again"),
        second=True,
    ),
    "a class attribute": module(
        """
        class Counter:
            count = 0

        def run():
            Counter.count += 1
            st.title("Class")
            st.text(f"count {Counter.count}")
            st.button("again")
        """,
        *("click again", "click again"),
        second=True,
    ),
    "a process pool": module(
        """
        from concurrent.futures import ProcessPoolExecutor

        def square(x):
            return x * x

        def run():
            st.title("Pool")
            with ProcessPoolExecutor(1) as pool:
                st.text(list(pool.map(square, [2, 3])))
        """
    ),
    "arguments": module(
        """
        import argparse
        import sys

        def run():
            st.title("Arguments")
            parser = argparse.ArgumentParser()
            parser.add_argument("--rows", type=int, default=5)
            st.text(f"{parser.parse_args().rows} rows, {len(sys.argv)}")
            st.text(sys.argv[0] == __file__)
        """
    ),
    "its own name and file": module(
        """
        from pathlib import Path

        def run():
            st.title("Name")
            st.text(Path(__file__).parent.name)
            st.text(Path(__file__).is_absolute())
        """
    ),
    "the working folder": module(
        """
        import os
        from pathlib import Path

        def run():
            st.title("Folder")
            st.text(sorted(path.name for path in Path().glob("apps.js*")))
            st.text(os.path.isdir("apps"))
        """
    ),
    "a change of the working folder": module(
        """
        import os
        from pathlib import Path
        st.text(os.path.isdir("apps"))
        os.chdir(os.path.dirname(os.path.abspath(__file__)))

        def run():
            st.title("Elsewhere")
            st.text(Path().resolve().name)
        """
    ),
    "logging": module(
        """
        import logging.config
        handlers = {"h": {"class": "logging.StreamHandler"}}
        root = {"level": "INFO", "handlers": ["h"]}
        logging.config.dictConfig({"version": 1, "handlers": handlers, "root": root})

        def run():
            st.title("Logging")
            logging.getLogger("mine").info("hello")
            st.text(logging.getLogger("mine").isEnabledFor(logging.INFO))
        """
    ),
    "callbacks": module(
        """
        def changed(by):
            st.session_state.total = st.session_state.get("total", 0) + by

        def run():
            st.title("Callbacks")
            st.button("one", on_click=changed, args=(1,))
            st.button("ten", on_click=changed, args=(10,))
            st.text(f"total {st.session_state.get('total', 0)}")
        """,
        *("click one", "click ten", "click one"),
    ),
    "a fragment": module(
        """
        @st.fragment
        def part():
            st.session_state.part = st.session_state.get("part", 0) + 1
            st.button("inside")
            st.text(f"part {st.session_state.part}")

        def run():
            st.session_state.whole = st.session_state.get("whole", 0) + 1
            st.title("Fragment")
            part()
            st.text(f"whole {st.session_state.whole}")
            st.button("outside")
        """,
        *("click inside", "click inside", "click outside", "click inside"),
    ),
    "a fragment in run()": module(
        """
        def run():
            st.title("Fragment")

            @st.fragment
            def part():
                number = st.number_input("Number", 0, 9, 1)
                st.text(f"number {number}")

            part()
        """,
        "fill Number=4",
    ),
    "a form": module(
        """
        def run():
            st.title("Form")
            with st.form("form"):
                name = st.text_input("Name")
                sent = st.form_submit_button("Send")
            st.text(f"{name} {sent}")
        """,
        *("fill Name=Anna", "click Send"),
    ),
    "widgets with keys": module(
        """
        def run():
            st.title("Widgets")
            st.text_input("Name", key="name")
            st.checkbox("Yes", key="yes")
            st.radio("Size", ["S", "M"], key="size")
            st.text({key: st.session_state[key] for key in ("name", "yes", "size")})
        """,
        "fill Name=Bob",
    ),
    "columns, tabs, expander": module(
        """
        def run():
            st.title("Layout")
            left, right = st.columns(2)
            left.metric("Left", 1)
            right.metric("Right", 2)
            one, two = st.tabs(["First", "Second"])
            one.write("in the first")
            two.write("in the second")
            with st.expander("More", expanded=True):
                st.write("inside")
        """,
        "tab Second",
    ),
    "query parameters": module(
        """
        def run():
            st.title("Query")
            if st.button("set"):
                st.query_params["page"] = "2"
            st.text(st.query_params.to_dict())
        """,
        *("click set", "reload"),
    ),
    "stop": module(
        """
        def run():
            st.title("Stop")
            if not st.checkbox("On"):
                st.warning("off")
                st.stop()
            st.write("never")
        """
    ),
    "rerun": module(
        """
        def run():
            st.title("Rerun")
            count = st.session_state.setdefault("count", 0)
            if count < 3:
                st.session_state.count += 1
                st.rerun()
            st.text(f"count {count}")
        """,
        second=True,
    ),
    "placeholders and a stream": module(
        """
        def run():
            st.title("Stream")
            place = st.empty()
            for number in range(3):
                place.text(f"number {number}")
            st.write_stream(word for word in ["a ", "b ", "c"])
            with st.status("Work", expanded=True, state="complete"):
                st.write("done")
        """
    ),
    "a dialog": module(
        """
        @st.dialog("Question")
        def ask():
            st.write("Are you sure?")
            if st.button("Yes"):
                st.session_state.sure = True
                st.rerun()

        def run():
            st.title("Dialog")
            if st.button("delete"):
                ask()
            st.text(st.session_state.get("sure", False))
        """,
        *("click delete", "click Yes"),
    ),
    "a picture and a download": module(
        """
        import numpy as np

        def run():
            st.title("Media")
            st.image(np.zeros((8, 8, 3), dtype=np.uint8), width=80)
            st.download_button("Load", b"text", "data.txt")
        """
    ),
    "charts": module(
        """
        import pandas as pd

        def run():
            st.title("Charts")
            st.line_chart(pd.DataFrame({"a": [1, 2, 3]}))
            st.dataframe(pd.DataFrame({"a": [1, 2, 3]}))
        """
    ),
    "HTML and Markdown": module(
        """
        def run():
            st.title("HTML")
            st.markdown("**bold** and <i>more</i>", unsafe_allow_html=True)
            st.html("<p>plain</p>")
            st.latex("a^2")
            st.code("x = 1")
        """
    ),
    "a title by hand": script(
        """
        st.set_page_config("One")
        st.set_page_config(page_title="Two", menu_items={"About": "Mine"})
        st.title("Titles")
        """
    ),
    "main()": script(
        """
        def main():
            st.title("Main")
            st.text(__name__)

        if __name__ == "__main__":
            main()
        """
    ),
    "no title at all": script('st.write("only this")'),
    "a resource of all sessions": module(
        """
        @st.cache_resource
        def visits():
            return []

        def run():
            st.title("Visits")
            if st.button("visit"):
                visits().append(1)
            st.text(len(visits()))
        """,
        *("click visit", "click visit"),
        second=True,
    ),
    "cached data of arguments": module(
        """
        @st.cache_data
        def square(x):
            return x * x

        def run():
            st.title("Square")
            st.text(square(st.number_input("Number", 0, 9, 3)))
        """,
        "fill Number=5",
    ),
    "the same function in another app": module(
        """
        FACTOR = 2

        @st.cache_data
        def square(x):
            return x * x * FACTOR

        def run():
            st.title("Double")
            st.text(square(st.number_input("Number", 0, 9, 3)))
        """,
        "fill Number=5",
    ),
    "a thread": module(
        """
        from threading import Thread

        def run():
            st.title("Thread")
            found = []
            thread = Thread(target=lambda: found.append(6 * 7))
            thread.start()
            thread.join()
            st.text(found)
        """
    ),
    "pages": folder(
        """
        st.title("Start")
        st.page_link("pages/1_📈_Plot.py", label="To the plot")
        st.session_state.setdefault("seen", []).append("start")
        st.text(st.session_state.seen)
        """,
        {
            "pages/1_📈_Plot.py": """
                import streamlit as st
                st.title("Plot")
                st.session_state.setdefault("seen", []).append("plot")
                st.text(st.session_state.seen)
                if st.button("back"):
                    st.switch_page("start.py")
            """,
        },
        *("open Plot", "click back"),
    ),
    "st.navigation": folder(
        """
        def first():
            st.title("First")

        def second():
            st.title("Second")

        st.navigation([st.Page(first), st.Page(second)]).run()
        """,
        {"unused.txt": ""},
        *("open second", "reload"),
    ),
    "st.navigation at the top": folder(
        """
        st.set_page_config(layout="wide")
        page = st.navigation([st.Page("one.py"), st.Page("two.py")], position="top")
        page.run()
        """,
        {
            "one.py": "import streamlit as st\nst.title('One')\nst.text(__file__[-6:])\n",
            "two.py": "import streamlit as st\nst.title('Two')\n",
        },
        "open two",
    ),
    "helpers and data beside it": folder(
        """
        import pandas as pd
        from utils.load import NAME
        import menu
        st.title(NAME)
        st.text(menu.ENTRIES)
        st.text(pd.read_csv("data/x.csv").shape)
        """,
        {
            "utils/__init__.py": "",
            "utils/load.py": 'NAME = "Loaded"\n',
            "menu.py": "ENTRIES = [1, 2]\n",
            "data/x.csv": "a,b\n1,2\n",
        },
    ),
    "a theme of its own": folder(
        """
        st.title("Theme")
        st.button("Look", type="primary")
        st.text(st.get_option("theme.primaryColor"))
        """,
        {".streamlit/config.toml": '[theme]\nprimaryColor = "#aa00aa"\nbase = "dark"\n'},
    ),
    "secrets of its own": folder(
        """
        st.title("Secrets")
        st.text(st.secrets["database"]["name"])
        """,
        {".streamlit/secrets.toml": '[database]\nname = "numbers"\n'},
    ),
    "a name that the hub has": folder(
        """
        import users
        import apphub_like
        st.title(users.NAME)
        st.text(apphub_like.NAME)
        """,
        {"users.py": 'NAME = "Mine"\n', "apphub_like.py": 'NAME = "too"\n'},
    ),
}
