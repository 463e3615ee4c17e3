"""Pairs of signals written by hand: about one thing, or only alike. All of it is invented."""

Pair = tuple[str, str]

# Two addresses under which one thing is found, whatever the titles say.
ONE_ADDRESS: dict[str, Pair] = {
    "scheme": ("http://a.example/x", "https://a.example/x"),
    "www": ("https://www.a.example/x", "https://a.example/x"),
    "final slash": ("https://a.example/x/", "https://a.example/x"),
    "host in capitals": ("https://A.Example/x", "https://a.example/x"),
    "default port": ("https://a.example:443/x", "https://a.example/x"),
    "fragment": ("https://a.example/x#top", "https://a.example/x"),
    "index page": ("https://a.example/x/index.html", "https://a.example/x/"),
    "doubled slash": ("https://a.example//x", "https://a.example/x"),
    "escaped letter": ("https://a.example/%7Eme/%61", "https://a.example/~me/a"),
    "escapes in small letters": ("https://a.example/caf%c3%a9", "https://a.example/café"),
    "order of the query": ("https://a.example/?b=1&a=2", "https://a.example/?a=2&b=1"),
    "campaign": ("https://a.example/x?utm_source=q&utm_medium=w", "https://a.example/x"),
    "click ids": ("https://a.example/x?fbclid=Iw&gclid=7", "https://a.example/x"),
    "newsletter": ("https://a.example/x?mc_cid=1&mc_eid=2&id=3", "https://a.example/x?id=3"),
    "referrer": ("https://a.example/x?ref=hackernoon", "https://a.example/x"),
    "mobile host": ("https://m.a.example/x", "https://www.a.example/x"),
    "mobile host in words": ("https://mobile.a.example/x", "https://a.example/x"),
    "AMP host": ("https://amp.a.example/x", "https://a.example/x"),
    "AMP path": ("https://a.example/x/amp/", "https://a.example/x"),
    "AMP parameter": ("https://a.example/x?amp=1", "https://a.example/x"),
    "AMP cache": ("https://a-example.cdn.ampproject.org/c/s/a.example/x", "https://a.example/x"),
    "AMP of a search": ("https://www.google.com/amp/s/www.a.example/x", "https://a.example/x"),
    "mobile encyclopedia": (
        "https://en.m.wikipedia.org/wiki/Trie",
        "https://en.wikipedia.org/wiki/Trie",
    ),
    "short video link": (
        "https://youtu.be/dQw4w9WgXcQ?si=aa",
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
    ),
    "video of a list": (
        "https://m.youtube.com/watch?list=PL1&v=abc-1",
        "https://youtube.com/watch?v=abc-1&t=9s",
    ),
    "renamed network": (
        "https://twitter.com/me/status/12345",
        "https://x.com/me/status/12345?s=20",
    ),
    "old and new forum": (
        "https://old.reddit.com/r/rust/comments/1abc/a_title/",
        "https://www.reddit.com/r/rust/comments/1abc/another_title/?utm_name=web",
    ),
    "paper and its file": (
        "https://arxiv.org/pdf/2401.01234v2.pdf",
        "https://arxiv.org/abs/2401.01234",
    ),
    "question with its words": (
        "https://stackoverflow.com/q/11227809",
        "https://stackoverflow.com/questions/11227809/why-is-it",
    ),
    "user in the address": ("https://me@a.example/x", "https://a.example/x"),
    "case": ("https://github.com/Own/Name", "https://github.com/own/name"),
    "a folder": ("https://github.com/own/name", "https://github.com/own/name/tree/main/docs"),
    "a file": ("https://github.com/own/name", "https://github.com/own/name/blob/main/README.md"),
    "a release": ("https://github.com/own/name", "https://github.com/own/name/releases/tag/v2.0"),
    "the readme anchor": ("https://github.com/own/name#readme", "https://github.com/own/name"),
    "to be cloned": ("https://github.com/own/name.git", "http://www.github.com/own/name/"),
    "raw": (
        "https://raw.githubusercontent.com/own/name/main/README.md",
        "https://github.com/own/name",
    ),
    "the mobile site": ("https://m.github.com/own/name", "https://github.com/own/name?tab=readme"),
}

# Two titles of one thing, at two addresses.
ONE_TITLE: dict[str, Pair] = {
    "prefix": ("Show HN: Tab Warden closes forgotten tabs", "Tab Warden closes forgotten tabs"),
    "dash for colon": (
        "Tab Warden \u2013 closes forgotten tabs",
        "Tab Warden: closes forgotten tabs!",
    ),
    "full-width marks": (
        "Tab Warden\uff1acloses forgotten tabs\uff1f",
        "Tab Warden: closes forgotten tabs?",
    ),
    "quotes": ("The \u201clock file\u201d for prompts", 'The "lock file" for prompts'),
    "apostrophes": ("Git isn\u2019t a backup tool", "Git isn't a backup tool"),
    "entities": ("Portwhy &amp; the ports it holds", "Portwhy & the ports it holds"),
    "double-escaped": ("Portwhy &amp;amp; the ports it holds", "Portwhy & the ports it holds"),
    "letter case": ("A SMALL DATABASE FOR THE BROWSER", "A small database for the browser"),
    "plural": ("A small database for browsers", "A small database for the browser"),
    "spelling": ("How to organise a large codebase", "How to organize a large codebase"),
    "emoji": ("🚀 Rentsplit shares bills unevenly 🎉", "Rentsplit shares bills unevenly"),
    "a film of it": ("How compilers see your loops [video]", "How compilers see your loops"),
    "the maker": ("I built a calendar for cron jobs", "Show HN: A calendar for cron jobs"),
    "invisible letters": (
        "Rent\u200bsplit shares bills une\u00advenly",
        "Rentsplit shares bills unevenly",
    ),
    "order": ("A kanban board for the terminal", "For the terminal: a kanban board"),
    "without spaces": ("用终端管理待办事项\uff1a新工具", "用终端管理待办事项: 新工具"),
    "composed letters": ("Une base de donne\u0301es légère", "Une base de données légère"),
}

# Two addresses of two things.
APART_ADDRESS: dict[str, Pair] = {
    "an issue of it": ("https://github.com/own/name", "https://github.com/own/name/issues/12"),
    "two issues": ("https://github.com/own/name/issues/1", "https://github.com/own/name/issues/12"),
    "a discussion and a pull": (
        "https://github.com/own/name/discussions/3",
        "https://github.com/own/name/pull/3",
    ),
    "GitHub's own pages": (
        "https://github.com/features/actions",
        "https://github.com/features/copilot",
    ),
    "another page number": ("https://a.example/?page=1", "https://a.example/?page=2"),
    "another video": ("https://youtube.com/watch?v=abc", "https://youtube.com/watch?v=abd"),
    "path case": ("https://a.example/Tool", "https://a.example/tool"),
    "another port": ("https://a.example:8080/x", "https://a.example/x"),
    "an escaped slash": ("https://a.example/a%2Fb", "https://a.example/a/b"),
    "route of an app": ("https://a.example/#/one", "https://a.example/#/two"),
    "a short host": ("https://m.example/x", "https://example/x"),
    "another subdomain": ("https://one.a.example/", "https://two.a.example/"),
}

# Two titles of two things.
APART_TITLE: dict[str, Pair] = {
    "parts": ("How to use gRPC with PHP - Part 3/4", "How to use gRPC with PHP - Part 4/4"),
    "Roman parts": ("Operating systems explained, part IV", "Operating systems explained, part V"),
    "versions": ("Python 3.13 is faster than before", "Python 3.14 is faster than before"),
    "version names": ("What is new in Zig v2 builds", "What is new in Zig v3 builds"),
    "years": ("The state of web components 2025", "The state of web components 2026"),
    "months": ("Ask HN: Who is hiring? (October 2026)", "Ask HN: Who is hiring? (November 2026)"),
    "model sizes": ("Running Goliath-70B on a laptop", "Running Goliath-7B on a laptop"),
    "one word": ("TIFF vs PNG", "TIFF vs GIF"),
    "one word of many": (
        "How to convert TIFF pictures to PNG quickly",
        "How to convert TIFF pictures to JPG quickly",
    ),
    "a rival": ("An open source alternative to Notion", "An open source alternative to Slack"),
    "a language": ("Writing a small parser in C", "Writing a small parser in C++"),
    "a sharp": ("Writing a small parser in C#", "Writing a small parser in F#"),
    "negation": ("Why you should rewrite your tests", "Why you should not rewrite your tests"),
    "without": ("State management with a library", "State management without a library"),
    "the opposite": ("How to encode video in the browser", "How to decode video in the browser"),
    "another opposite": (
        "How to install fonts for everyone",
        "How to uninstall fonts for everyone",
    ),
    "public and private": ("Making a private registry for npm", "Making a public registry for npm"),
    "short titles": ("Weekly update", "Weekly update"),
    "empty words only": ("What is it for?", "What is it for?"),
    "other words for it": ("A diff viewer for spreadsheets", "Compare two tables side by side"),
}

# Two things of like titles, each at an address that says so.
APART_BOTH: dict[str, tuple[Pair, Pair]] = {
    "repositories of one title": (
        ("Show HN: A terminal file manager", "https://github.com/a/x"),
        ("Show HN: A terminal file manager", "https://github.com/b/y"),
    ),
    "siblings": (
        ("meta/llama", "https://github.com/meta/llama"),
        ("meta/llama3", "https://github.com/meta/llama3"),
    ),
    "two owners": (
        ("tools/fmt", "https://github.com/tools/fmt"),
        ("other/fmt", "https://github.com/other/fmt"),
    ),
}
