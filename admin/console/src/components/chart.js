/* chart.js - numbers over time, small. */
import { dark } from "../theme.js";
import { clock } from "../format.js";
import { lang } from "../i18n.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../lib.js";

/* The library is fetched when the first chart is drawn. */
let library = null;

function useLibrary() {
    const [ready, setReady] = useState(null);
    useEffect(() => {
        library ??= import("../uplot.js");
        library.then((module) => setReady(() => module.default), () => {
            library = null; /* without it the numbers are there all the same */
        });
    }, []);
    return ready;
}

function colour(element, name) {
    return getComputedStyle(element).getPropertyValue(name).trim();
}

/* Steps of an axis of bytes: powers of two, so that its marks are round. */
const BINARY_STEPS = Array.from({ length: 50 }, (_, i) => 2 ** i);

function options(element, { label, format, height, binary }) {
    const ink = colour(element, "--ink-quiet");
    const line = colour(element, "--line");
    const accent = colour(element, "--accent");
    const axis = {
        stroke: ink, font: "11px system-ui", ticks: { show: false },
        grid: { stroke: line, width: 1 },
    };
    return {
        width: element.clientWidth, height, padding: [6, 16, 0, 0],
        cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
        legend: { show: false },
        scales: { x: { time: true }, y: { range: (_, low, high) => range(low, high) } },
        axes: [
            { ...axis, size: 22, space: 70, grid: { show: false },
              values: (_plot, ticks, _axis, _space, step_s) => ticks.map((s) =>
                  clock(s * 1000, lang.peek(), step_s < 60)) },
            { ...axis, size: 56, space: 26, ...(binary ? { incrs: BINARY_STEPS } : {}),
              values: (_, ticks) => ticks.map(format) },
        ],
        series: [{}, { label, stroke: accent, width: 1.5, fill: colour(element, "--accent-wash"),
                       points: { show: false }, spanGaps: false }],
    };
}

/* From zero, and never so close that noise looks like a mountain. */
export function range(low, high) {
    return [Math.min(0, low ?? 0), Math.max(high ?? 0, 1) * 1.1];
}

/* <${Chart} label="Writes per second" times=${[ms, ...]} values=${[n | null, ...]}
 * format=${compact} height=${110} summary="..." />: one line over time; `binary` when the numbers
 * are bytes. `summary` is what a screen reader says of it. What the pointer is at is shown above
 * the line. */
export function Chart({ label, times, values, format = String, height = 110, binary, summary }) {
    const box = useRef(null);
    const plot = useRef(null);
    const Plot = useLibrary();
    const [at, setAt] = useState(null);
    const data = [times.map((ms) => ms / 1000), values];
    const theme = dark.value;
    const language = lang.value;

    useLayoutEffect(() => {
        if (!Plot) {
            return undefined;
        }
        const built = new Plot({
            ...options(box.current, { label, format, height, binary }),
            hooks: { setCursor: [(u) => setAt(u.cursor.idx ?? null)] },
        }, data, box.current);
        plot.current = built;
        const resized = new ResizeObserver(() =>
            built.setSize({ width: box.current.clientWidth, height }));
        resized.observe(box.current);
        return () => {
            resized.disconnect();
            built.destroy();
            plot.current = null;
        };
    }, [Plot, theme, language, label, height]);
    useEffect(() => plot.current?.setData(data), [times, values]);

    const pointed = at !== null && at < values.length && values[at] !== null;
    return html`<figure class="chart">
        <figcaption><span>${label}</span>
            <span class="num quiet">${pointed
                ? `${format(values[at])} · ${clock(times[at], language)}` : ""}</span></figcaption>
        <div class="chart-box" ref=${box} role="img" aria-label=${summary ?? label}></div>
    </figure>`;
}
