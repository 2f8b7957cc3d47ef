// The Chart view: a table as bars, or as lines over time, with what is drawn to choose.
import {
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  Legend,
  LineController,
  LineElement,
  LinearScale,
  PointElement,
  Tooltip,
} from "chart.js";
import { useEffect, useMemo, useRef, useState } from "react";
import { shown } from "./cells.js";
import { ALL, ROWS, choicesOf, firstChoice, isTime } from "./choices.js";
import { GAP, chartOf } from "./series.js";
import { COLOURS, useTheme } from "./theme.js";

Chart.register(
  BarController,
  BarElement,
  CategoryScale,
  Legend,
  LineController,
  LineElement,
  LinearScale,
  PointElement,
  Tooltip,
);

Chart.defaults.font.family = "Roboto, system-ui, sans-serif";

const TYPES = { bar: "Bars", stacked: "Stacked bars", line: "Lines" };
const POINTS = ["circle", "rectRot", "triangle", "rect"];
const LONG_LABEL = 14;
const MOST_TICKS = 8;

// --- the picture --------------------------------------------------------------------------------------------------

/** Bars lie down where their names are long, so that the names stay level. */
const liesDown = ({ labels, times }, type) =>
  type !== "line" && !times && Math.max(...labels.map((label) => label.length)) > LONG_LABEL;

function datasetsOf(chart, type, colours) {
  return chart.datasets.map(({ label, values, isOther }, index) => {
    const colour = isOther ? colours.other : colours.series[index % colours.series.length];
    const isLine = type === "line";
    return {
      label,
      data: isLine && chart.times ? values.map((y, at) => ({ x: chart.times[at], y })) : values,
      backgroundColor: colour,
      borderColor: isLine ? colour : colours.ground,
      borderWidth: isLine ? 2 : chart.datasets.length > 1 ? 1 : 0,
      maxBarThickness: 48,
      pointRadius: values.length > 60 ? 0 : 3,
      pointHitRadius: 8,
      pointStyle: POINTS[index % POINTS.length],
    };
  });
}

/** Ticks stand at dates of the answer, not too close: a scale's round numbers of milliseconds are no dates. */
function timeScale({ times: all, labels }) {
  const times = all.filter((_, index) => labels[index] !== GAP);
  const [min, max] = [times[0], times.at(-1)];
  const ticks = [];
  for (const value of times) {
    if (!ticks.length || value - ticks.at(-1).value >= (max - min) / MOST_TICKS) ticks.push({ value });
  }
  return { type: "linear", min, max, afterBuildTicks: (axis) => Object.assign(axis, { ticks }) };
}

function scalesOf(chart, type, colours) {
  const grid = { color: colours.grid };
  const number = (value) => shown(value, chart.kind);
  const values = {
    beginAtZero: true,
    stacked: type === "stacked",
    grid,
    border: { display: false },
    ticks: { color: colours.soft, precision: chart.kind === "SHARE" ? undefined : 0, callback: number },
  };
  const labelOf = chart.times && new Map(chart.times.map((time, index) => [time, chart.labels[index]]));
  const labels = {
    stacked: type === "stacked",
    grid: { display: false },
    border: { color: colours.soft },
    ticks: { color: colours.soft, autoSkipPadding: 12 },
  };
  if (type === "line" && chart.times) {
    Object.assign(labels, timeScale(chart));
    labels.ticks.callback = (value) => labelOf.get(value);
  }
  return liesDown(chart, type) ? { x: values, y: labels } : { x: labels, y: values };
}

function configOf(chart, type, theme) {
  const colours = COLOURS[theme];
  const isSingle = chart.datasets.length < 2;
  return {
    type: type === "line" ? "line" : "bar",
    data: { labels: chart.labels, datasets: datasetsOf(chart, type, colours) },
    options: {
      animation: false,
      maintainAspectRatio: false,
      indexAxis: liesDown(chart, type) ? "y" : "x",
      interaction: { mode: "index", intersect: false, axis: liesDown(chart, type) ? "y" : "x" },
      // Points at the edges are drawn whole.
      clip: false,
      layout: { padding: { right: 8 } },
      scales: scalesOf(chart, type, colours),
      plugins: {
        legend: {
          display: !isSingle,
          position: "bottom",
          labels: { color: colours.ink, usePointStyle: type === "line", boxWidth: 10, boxHeight: type === "line" ? 7 : 10 },
        },
        tooltip: {
          usePointStyle: true,
          callbacks: {
            title: ([item]) => chart.labels[item?.dataIndex],
            label: ({ dataset, dataIndex, datasetIndex }) =>
              `${dataset.label}: ${shown(chart.datasets[datasetIndex].values[dataIndex], chart.kind) || "none"}`,
          },
        },
      },
    },
  };
}

/** What the picture shows, in words, for those who do not see it. */
function described({ title, labels, datasets, kind }, type) {
  const values = datasets.flatMap((dataset) => dataset.values).filter((value) => value !== null);
  const range = [Math.min(...values), Math.max(...values)].map((value) => shown(value, kind));
  const series = datasets.length > 1 ? ` in ${datasets.length} series` : "";
  const what = type === "line" ? "Line chart" : "Bar chart";
  return `${what}: ${title}. ${labels.length} places${series}, from ${range[0]} to ${range[1]}. The Table view has the numbers.`;
}

/** The numbers that are drawn, for those who do not see the picture. */
function Numbers({ chart: { title, labels, datasets, kind } }) {
  return (
    <table className="unseen">
      <caption>{title}</caption>
      <thead>
        <tr>
          <th scope="col">Place</th>
          {datasets.map(({ label }, index) => (
            <th scope="col" key={index}>
              {label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {labels.map((label, place) => (
          <tr key={place}>
            <th scope="row">{label}</th>
            {datasets.map(({ values }, index) => (
              <td key={index}>{shown(values[place], kind)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Picture({ chart, type }) {
  const canvas = useRef(null);
  const theme = useTheme();
  useEffect(() => {
    const drawn = new Chart(canvas.current, configOf(chart, type, theme));
    return () => drawn.destroy();
  }, [chart, type, theme]);
  return (
    <div className="canvas">
      <canvas ref={canvas} role="img" aria-label={described(chart, type)} />
    </div>
  );
}

// --- what to draw -------------------------------------------------------------------------------------------------

function Choice({ label, value, options, onChange, disabled }) {
  return (
    <label>
      {label}{" "}
      <select value={value} disabled={disabled} onChange={(event) => onChange(event.target.value)}>
        {options.map(([name, title]) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
    </label>
  );
}

const named = (columns) => columns.map(({ name, title }) => [name, title]);

function Choices({ table, choice, onChoice }) {
  const { dimensions, measures } = choicesOf(table);
  const set = (name) => (value) => onChoice({ ...choice, [name]: value });
  const setX = (x) => {
    const type = isTime(table.columns.find(({ name }) => name === x)) ? "line" : "bar";
    onChoice({ ...choice, x, type: choice.type === "stacked" ? "stacked" : type });
  };
  const measured = [...named(measures), [ROWS, "number of rows"]];
  if (measures.length > 1) measured.push([ALL, "all measures"]);
  return (
    <>
      <Choice label="Along" value={choice.x} onChange={setX} options={[["", "(nothing)"], ...named(dimensions)]} />
      <Choice label="Measure" value={choice.measure} onChange={set("measure")} options={measured} />
      <Choice
        label="Series"
        value={choice.measure === ALL ? "" : choice.series}
        disabled={choice.measure === ALL}
        onChange={set("series")}
        options={[["", "(one)"], ...named(dimensions)]}
      />
      <Choice label="As" value={choice.type} onChange={set("type")} options={Object.entries(TYPES)} />
    </>
  );
}

export default function ChartView({ table, picker }) {
  const [choice, setChoice] = useState(() => firstChoice(table));
  const chart = useMemo(() => chartOf(table, choice), [table, choice]);
  const isEmpty = chart.datasets.every(({ values }) => values.every((value) => value === null));
  return (
    <>
      <div className="view-bar">
        {picker}
        <Choices table={table} choice={choice} onChoice={setChoice} />
      </div>
      {isEmpty ? (
        <p className="view-empty">
          {table.cells.length
            ? "Nothing to draw: the chosen columns have no numbers. Choose another measure, or the number of rows."
            : "This result has no rows: nothing matches the query."}
        </p>
      ) : (
        <figure className="chart">
          <figcaption>{chart.title}</figcaption>
          <Picture chart={chart} type={choice.type} />
          <Numbers chart={chart} />
        </figure>
      )}
      {chart.notes.length > 0 && <p className="view-note">{chart.notes.join(" ")}</p>}
    </>
  );
}
