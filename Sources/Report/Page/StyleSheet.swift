/// The style sheet of reports: light and dark mode, small screens, print.
enum StyleSheet {
    static let css = """

        :root { color-scheme: light dark;
          --paper: #fcfcfb; --card: #ffffff; --ink: #1d2125; --soft: #5f6b76; --line: #e3e6e8; --grid: #eceef0; --code: #f3f4f5;
          --c0: #2f6fde; --c1: #d9480f; --c2: #2b8a3e; --c3: #9c36b5; --c4: #b58900; --c5: #0c8599; --c6: #c2255c; --c7: #5c677d; }
        @media (prefers-color-scheme: dark) {
          :root { --paper: #14171a; --card: #1b1f23; --ink: #e6e9ec; --soft: #98a4af; --line: #30363c; --grid: #272c31; --code: #22272c;
            --c0: #74a9ff; --c1: #ff8f4d; --c2: #69c97c; --c3: #d18be8; --c4: #e3bd4a; --c5: #4fc4d6; --c6: #f783ac; --c7: #a5b1c2; }
        }
        * { box-sizing: border-box; }
        body { margin: 0 auto; max-width: 1080px; padding: 2.2rem 1.4rem 3rem; background: var(--paper); color: var(--ink);
          font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; font-variant-numeric: tabular-nums; }
        header p { margin: .3rem 0 0; color: var(--soft); max-width: 46rem; }
        h1 { margin: 0; font-size: 1.7rem; line-height: 1.2; letter-spacing: -.01em; overflow-wrap: anywhere; }
        h2 { margin: 2.4rem 0 .8rem; font-size: 1.1rem; }
        .state { display: inline-block; margin-left: .5rem; padding: .15rem .6rem; border: 1px solid var(--line); border-radius: 1rem;
          background: var(--card); color: var(--soft); font-size: .8rem; font-weight: 400; letter-spacing: 0; vertical-align: .25rem; }
        .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem; margin: 1.5rem 0 0; padding: 0; }
        .tiles div, figure, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
        .tiles div { padding: .7rem .9rem .75rem; }
        .tiles dt { color: var(--soft); font-size: .8rem; }
        .tiles dd { margin: .1rem 0 0; font-size: 1.35rem; line-height: 1.25; font-weight: 600; letter-spacing: -.01em; }
        .tiles dd small { display: block; color: var(--soft); font-size: .78rem; font-weight: 400; letter-spacing: 0; }
        .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: .8rem; }
        figure { margin: 0; padding: .8rem .9rem .5rem; min-width: 0; }
        figure.wide { grid-column: 1 / -1; }
        figcaption { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 .9rem; margin-bottom: .3rem; font-size: .85rem; }
        .unit { color: var(--soft); flex: 1; margin-left: -.4rem; }
        .key::before { content: ""; display: inline-block; width: .95rem; height: .2rem; margin-right: .35rem; border-radius: 2px;
          background: var(--c); vertical-align: .2rem; }
        svg { display: block; width: 100%; height: auto; overflow: visible; }
        figure.wide > svg.small { display: none; }
        svg svg { overflow: hidden; }
        text { font-size: 13px; fill: var(--soft); }
        text.name { font-style: italic; }
        text.best { fill: var(--ink); font-weight: 600; paint-order: stroke; stroke: var(--card); stroke-width: 5px;
          stroke-linejoin: round; }
        .c0 { --c: var(--c0); } .c1 { --c: var(--c1); } .c2 { --c: var(--c2); } .c3 { --c: var(--c3); }
        .c4 { --c: var(--c4); } .c5 { --c: var(--c5); } .c6 { --c: var(--c6); } .c7 { --c: var(--c7); }
        .grid { stroke: var(--grid); } .axis { stroke: var(--soft); stroke-opacity: .6; }
        .mark { stroke: var(--soft); stroke-dasharray: 2 4; }
        .line { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
        .band { fill: var(--c); fill-opacity: .22; } .dot { fill: var(--c); stroke: var(--card); stroke-width: 1; }
        circle.best { fill: none; stroke: var(--ink); stroke-width: 1.6; }
        .card { padding: 1rem 1.1rem; }
        .scroll { overflow-x: auto; padding: .3rem .4rem; }
        table { width: 100%; border-collapse: collapse; font-size: .88rem; }
        th, td { padding: .33rem .7rem; text-align: right; white-space: nowrap; }
        th { color: var(--soft); font-weight: 500; }
        tbody tr { border-top: 1px solid var(--grid); }
        th:first-child, td:first-child, .text { text-align: left; }
        tr.best td { font-weight: 600; }
        .interval { width: 8rem; min-width: 6rem; }
        .long { white-space: pre-wrap; overflow-wrap: anywhere; min-width: 12rem; }
        .settings { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: .8rem; }
        .settings h3 { margin: 0 0 .4rem; font-size: .9rem; }
        .settings dl { margin: 0; display: grid; grid-template-columns: auto 1fr; gap: .1rem .9rem; font-size: .86rem; }
        .settings dt { color: var(--soft); } .settings dd { margin: 0; text-align: right; overflow-wrap: anywhere; min-width: 0; }
        .chat { display: flex; flex-direction: column; gap: .5rem; margin-bottom: .9rem; }
        .chat p { margin: 0; padding: .45rem .8rem; border-radius: 14px; max-width: 85%; white-space: pre-wrap; overflow-wrap: anywhere; }
        .chat .question { align-self: flex-end; background: var(--c0); color: var(--card); }
        .chat .answer { align-self: flex-start; background: var(--code); }
        .chat .expected { align-self: flex-start; padding-top: 0; color: var(--soft); font-size: .85rem; }
        body > section.card + section.card { margin-top: .8rem; }
        .commands { margin: 0; } .commands dt { color: var(--soft); font-size: .86rem; } .commands dd { margin: .15rem 0 .8rem; }
        code { font: .84rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
        .commands code { display: block; padding: .45rem .7rem; border-radius: 7px; background: var(--code); overflow-wrap: anywhere; }
        footer, .remark { margin: .6rem 0 0; color: var(--soft); font-size: .82rem; }
        footer { margin-top: 2.4rem; }
        @media (max-width: 640px) {
          body { padding: 1.2rem .8rem 2rem; }
          .tiles { grid-template-columns: repeat(2, 1fr); gap: .5rem; }
          figure.wide > svg.small { display: block; } figure.wide > svg.large { display: none; }
          text { font-size: 15.5px; }
        }
        @media print {
          :root { --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #ccc; --grid: #e5e5e5; --code: #f2f2f2;
            --c0: #2f6fde; --c1: #d9480f; --c2: #2b8a3e; --c3: #9c36b5; --c4: #b58900; --c5: #0c8599; --c6: #c2255c; --c7: #5c677d; }
          body { max-width: none; padding: 0; font-size: 10pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
          figure, tr, .tiles div, .settings section { break-inside: avoid; } h2 { break-after: avoid; }
          .tiles { grid-template-columns: repeat(6, 1fr); gap: .4rem; } .tiles dd { font-size: 1.1rem; }
          .charts { display: block; } figure { margin-bottom: .6rem; }
          figure.normal { display: inline-block; width: 49%; vertical-align: top; }
        }

        """
}
