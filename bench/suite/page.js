// Draws `plots` (id of a canvas: plot), in the colours of the style sheet, again when they change.
const charts = [];

function axis(title, logarithmic, ink, line) {
  return {
    type: logarithmic ? "logarithmic" : "linear",
    title: { display: true, text: title, color: ink },
    grid: { color: line },
    beginAtZero: !logarithmic,
    ticks: {
      color: ink,
      maxTicksLimit: 8,
      callback: (value) => {
        // Of a logarithmic axis the powers of ten only.
        if (logarithmic && Math.abs(Math.log10(value) % 1) > 1e-9) return "";
        return short(value);
      },
    },
  };
}

function short(value) {
  for (const [size, letter] of [[1e9, " G"], [1e6, " M"], [1e3, " k"]]) {
    if (Math.abs(value) >= size) return +(value / size).toPrecision(3) + letter;
  }
  return String(+value.toPrecision(3));
}

function draw() {
  charts.splice(0).forEach((chart) => chart.destroy());
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const ink = colour("--soft");
  for (const [id, plot] of Object.entries(plots)) {
    const datasets = plot.series.map((series, i) => ({
      label: series.name,
      data: series.points.map(([x, y]) => ({ x, y })),
      borderColor: colour(`--s${i % 6}`),
      backgroundColor: colour(`--s${i % 6}`),
      borderWidth: 2,
      pointRadius: series.points.length > 20 ? 0 : 3,
      tension: 0,
    }));
    charts.push(new Chart(document.getElementById(id), {
      type: "line",
      data: { datasets },
      options: {
        animation: false,
        parsing: false,
        maintainAspectRatio: false,
        interaction: { mode: "nearest", axis: "x", intersect: false },
        plugins: { legend: { display: datasets.length > 1, labels: { color: ink, boxWidth: 12 } } },
        scales: {
          x: axis(plot.x, plot.log_x, ink, colour("--line")),
          y: axis(plot.y, plot.log_y, ink, colour("--line")),
        },
      },
    }));
  }
}

draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
