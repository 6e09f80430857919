// What is drawn: the night at a glance, and the signals of an epoch. Nothing here means anything by its colour alone.

const INK = "#1a1a1a", GREY = "#8a8a8a", PALE = "#e3e3e3";
const FONT = '12px system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif';
export const MARGIN = 88; // px on the left, for names
const RIGHT = 10;

// Shades of the spectrogram: dark to light evenly, for the colour-blind and in grey alike.
const SHADES = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];

const PAINTS = Array.from({ length: 256 }, (_, value) => { // of the shades that the server sends; 0 is nothing yet
  const at = Math.max(0, ((value - 1) / 254) * (SHADES.length - 1)), low = Math.min(Math.floor(at), SHADES.length - 2);
  return value ? SHADES[low].map((one, i) => Math.round(one + (at - low) * (SHADES[low + 1][i] - one))) : [235, 235, 235];
});

/** Fit a canvas to its place and the screen's pixels, and return what draws on it in px. */
export function fitted(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas, scale = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  context.textBaseline = "middle";
  return { context, width, height };
}

function line(context, x0, y0, x1, y1, colour, width = 1, dash = []) {
  context.beginPath();
  context.setLineDash(dash);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
  context.setLineDash([]);
}

// ---- the night ----

/** The rows of the night and their shares of the height. */
function rowsOf(night, height) {
  const wanted = [
    ...(night.expert ? [["expert", 3]] : []),
    ["stages", 3.4], ["human", 0.55], ["unsure", 0.55], ["probabilities", 2.2], ["spectrum", 2.6],
  ];
  const gap = 5, axis = 18, total = wanted.reduce((sum, [, share]) => sum + share, 0);
  const unit = (height - axis - 8 - gap * wanted.length) / total;
  let top = 8;
  return wanted.map(([name, share]) => {
    const row = { name, top, height: share * unit };
    top += share * unit + gap;
    return row;
  });
}

const layer = { canvas: null, key: "", spectrum: null };

/** Return a picture of what no edit changes, drawn again only when it has to be. */
function unchanging(canvas, night, rows, x, first, end, spectrum) {
  const key = [first, end, canvas.width, canvas.height].join();
  if (layer.key === key && layer.spectrum === spectrum) return layer.canvas;
  const scale = window.devicePixelRatio || 1;
  Object.assign(layer, { canvas: new OffscreenCanvas(canvas.width, canvas.height), key, spectrum });
  const context = layer.canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.font = FONT;
  context.textBaseline = "middle";
  for (const row of rows) {
    if (row.name === "probabilities") stacked(context, row, x, first, end, night);
    if (row.name === "spectrum") spectrogram(context, row, x, first, end, night, spectrum);
  }
  return layer.canvas;
}

/** Draw the night between two epochs; `stage` and `human` say who staged what. */
export function drawNight(canvas, night, { first, end, stage, human, spectrum }) {
  const { context, width, height } = fitted(canvas);
  const plot = width - MARGIN - RIGHT, x = (epoch) => MARGIN + ((epoch - first) / (end - first)) * plot;
  const rows = rowsOf(night, height), drawn = { x, rows, first, end };
  context.drawImage(unchanging(canvas, night, rows, x, first, end, spectrum), 0, 0, width, height);
  for (const row of rows) {
    context.fillStyle = INK;
    if (row.name === "expert") stair(context, row, x, first, end, (epoch) => night.expert[epoch], night, "Expert");
    if (row.name === "stages") stair(context, row, x, first, end, stage, night, "Stages");
    if (row.name === "human") strip(context, row, x, first, end, human, "Human");
    if (row.name === "unsure") {
      strip(context, row, x, first, end, (epoch) => night.isUnsure.has(epoch) && !human(epoch), "Doubtful");
      outlined(context, row, x, first, end, (epoch) => night.isUnsure.has(epoch) && human(epoch));
    }
  }
  axis(context, rows, x, first, end, night, width, height);
  return drawn;
}

function name(context, row, text) {
  context.fillStyle = INK;
  context.textAlign = "left";
  context.fillText(text, 2, row.top + row.height / 2);
}

function stair(context, row, x, first, end, stage, night, text) {
  name(context, row, text);
  const step = row.height / night.from_the_top.length;
  const level = Object.fromEntries(night.from_the_top.map((one, i) => [one, row.top + (i + 0.5) * step]));
  context.textAlign = "right";
  context.font = FONT.replace("12px", "10px");
  for (const [one, y] of Object.entries(level)) {
    line(context, MARGIN, y, x(end), y, PALE);
    context.fillStyle = INK;
    context.fillText(one === "REM" ? "R" : one, MARGIN - 5, y);
  }
  context.font = FONT;
  context.fillStyle = PALE; // nobody staged it
  for (let epoch = first; epoch < end; epoch += 1) {
    if (!(stage(epoch) in level)) context.fillRect(x(epoch), row.top, Math.max(1, x(epoch + 1) - x(epoch)), row.height);
  }
  context.strokeStyle = INK;
  context.lineWidth = 1.2;
  context.beginPath();
  let before = null;
  for (let epoch = first; epoch < end; epoch += 1) {
    const y = level[stage(epoch)];
    if (y !== undefined) {
      if (before === null) context.moveTo(x(epoch), y);
      else context.lineTo(x(epoch), y);
      context.lineTo(x(epoch + 1), y);
    }
    before = y === undefined ? null : y;
  }
  context.stroke();
  context.fillStyle = night.colours.REM;
  for (let epoch = first; epoch < end; epoch += 1) {
    if (stage(epoch) === "REM") context.fillRect(x(epoch), level.REM - 2.5, Math.max(1, x(epoch + 1) - x(epoch)), 5);
  }
}

function strip(context, row, x, first, end, is, text) {
  name(context, row, text);
  context.fillStyle = "#f0f0f0";
  context.fillRect(MARGIN, row.top, x(end) - MARGIN, row.height);
  context.fillStyle = INK;
  for (let epoch = first; epoch < end; epoch += 1) {
    if (is(epoch)) context.fillRect(x(epoch), row.top, Math.max(1.5, x(epoch + 1) - x(epoch)), row.height);
  }
}

function outlined(context, row, x, first, end, is) {
  context.fillStyle = GREY;
  for (let epoch = first; epoch < end; epoch += 1) {
    if (is(epoch)) context.fillRect(x(epoch), row.top + row.height - 2, Math.max(1.5, x(epoch + 1) - x(epoch)), 2);
  }
}

function hatch(context) {
  const tile = new OffscreenCanvas(6, 6), on = tile.getContext("2d");
  on.strokeStyle = "white";
  on.lineWidth = 1;
  on.beginPath();
  on.moveTo(-1, 7);
  on.lineTo(7, -1);
  on.stroke();
  return context.createPattern(tile, "repeat");
}

function stacked(context, row, x, first, end, night) {
  name(context, row, "Probability");
  const upwards = [...night.from_the_top].reverse();
  const together = Math.max(1, Math.floor((end - first) / 1500)), lines = hatch(context);
  for (let epoch = first; epoch < end; epoch += together) {
    let bottom = row.top + row.height;
    const left = Math.floor(x(epoch)), wide = Math.max(1, Math.ceil(x(Math.min(end, epoch + together))) - left);
    for (const one of upwards) {
      const percent = night.percent(epoch, night.stages.indexOf(one));
      if (percent === null) continue;
      const high = (percent / 100) * row.height;
      context.fillStyle = night.colours[one];
      context.fillRect(left, bottom - high, wide, high);
      if (one === "REM") {
        context.fillStyle = lines;
        context.fillRect(left, bottom - high, wide, high);
      }
      bottom -= high;
    }
  }
}

function spectrogram(context, row, x, first, end, night, spectrum) {
  name(context, row, "Power");
  context.textAlign = "right";
  context.font = FONT.replace("12px", "10px");
  for (const hertz of [0, 10, 20, 30]) {
    const y = row.top + row.height * (1 - hertz / 30);
    line(context, MARGIN - 3, y, MARGIN, y, INK);
    context.fillText(hertz === 30 ? "30 Hz" : String(hertz), MARGIN - 5, Math.min(row.top + row.height - 4, Math.max(row.top + 4, y)));
  }
  context.font = FONT;
  if (!spectrum) return;
  const n = night.spectrum_epochs.length, frequencies = spectrum.length / n;
  const image = new ImageData(n, frequencies);
  for (let column = 0; column < n; column += 1) {
    let known = column; // a column that is not there yet looks like the last one before it
    while (known > 0 && known > column - 64 && spectrum[known * frequencies] === 0) known -= 1;
    for (let frequency = 0; frequency < frequencies; frequency += 1) {
      const paint = PAINTS[spectrum[known * frequencies + frequency]];
      const at = 4 * ((frequencies - 1 - frequency) * n + column);
      for (let i = 0; i < 3; i += 1) image.data[at + i] = paint[i];
      image.data[at + 3] = 255;
    }
  }
  const whole = new OffscreenCanvas(n, frequencies);
  whole.getContext("2d").putImageData(image, 0, 0);
  const column = (epoch) => (epoch / night.n_epochs) * n;
  context.imageSmoothingEnabled = false;
  context.drawImage(
    whole, column(first), 0, Math.max(1, column(end) - column(first)), frequencies,
    MARGIN, row.top, x(end) - MARGIN, row.height,
  );
}

const STEPS = [1 / 12, 1 / 6, 0.25, 0.5, 1, 2, 3, 6, 12, 24, 48]; // hours

function axis(context, rows, x, first, end, night, width, height) {
  const top = rows[0].top, bottom = rows.at(-1).top + rows.at(-1).height;
  const hours = ((end - first) * night.epoch_seconds) / 3600, most = Math.max(3, (width - MARGIN) / 75);
  const step = STEPS.find((one) => hours / one <= most) || 96;
  const zero = night.startHours, from = zero + night.onset(first) / 3600, to = zero + night.onset(end) / 3600;
  context.textAlign = "center";
  for (let hour = Math.ceil(from / step) * step; hour <= to; hour += step) {
    const at = MARGIN + ((hour - from) / (to - from)) * (x(end) - MARGIN);
    line(context, at, bottom, at, bottom + 4, INK);
    context.fillStyle = INK;
    context.fillText(night.hourText(hour, hours > 24), Math.min(at, width - 18), height - 8);
  }
  night.lights.forEach((second, i) => {
    if (second === null) return;
    const at = x((second - night.first_second) / night.epoch_seconds);
    if (at < MARGIN || at > x(end)) return;
    line(context, at, top - 6, at, bottom, INK, 1, [5, 3]);
    context.textAlign = i ? "right" : "left";
    context.font = FONT.replace("12px", "10px");
    context.fillText(i ? "lights on " : " lights off", at, top - 2);
    context.font = FONT;
  });
}

/** Draw where in the night we are, over a copy of the night. */
export function drawCursor(canvas, copy, { x, rows, first, end }, epoch, marked = null) {
  const context = canvas.getContext("2d"), scale = window.devicePixelRatio || 1;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(copy, 0, 0);
  if (epoch < first || epoch >= end) return;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  const at = (x(epoch) + x(epoch + 1)) / 2, bottom = rows.at(-1).top + rows.at(-1).height;
  if (marked !== null) {
    const left = x(Math.min(marked, epoch)), right = x(Math.max(marked, epoch) + 1);
    context.fillStyle = "#0b57d040";
    context.fillRect(left, 3, Math.max(2, right - left), bottom - 3);
  }
  line(context, at, 3, at, bottom, "white", 3.5);
  line(context, at, 3, at, bottom, INK, 1.5);
  context.fillStyle = INK;
  for (const [tip, foot] of [[9, 1], [bottom - 1, bottom + 7]]) {
    context.beginPath();
    context.moveTo(at, tip);
    context.lineTo(at - 6, foot);
    context.lineTo(at + 6, foot);
    context.fill();
  }
}

// ---- the signals ----

const EPOCH = 30; // s
const N3_LINE = 37.5; // µV on either side: the 75 µV from peak to peak of a slow wave of N3 (AASM)

const AXIS = 16; // px below the signals
const neighbourOf = (height) => Math.max(34, Math.min(64, height * 0.15));

/** Where the channels are drawn, in px. */
export function bandOf(canvas) {
  const neighbour = neighbourOf(canvas.clientHeight);
  return { top: neighbour, height: canvas.clientHeight - 2 * neighbour - AXIS };
}

/**
 * Draw an epoch between the ones before and after it.
 *
 * before, after: {label, samples} of the first channel; now: [{label, samples}] of every channel; range: µV from the
 * middle of a channel to its edge; samples: Float32Array over the whole epoch, or null while it is on its way.
 */
export function drawTraces(canvas, { before, now, after, range, seconds, from = 0, up = 1, here = null }) {
  const { context, width, height } = fitted(canvas);
  const neighbour = neighbourOf(height), axisHeight = AXIS, middle = bandOf(canvas);
  const plot = { left: MARGIN, width: width - MARGIN - RIGHT, seconds, from, up };
  context.fillStyle = "#f0f0f0";
  context.fillRect(0, 0, width, neighbour);
  context.fillRect(0, height - neighbour, width, neighbour);
  if (here !== null) {
    context.fillStyle = "#eef3fb";
    context.fillRect(plot.left + (here / seconds) * plot.width, middle.top, (EPOCH / seconds) * plot.width, middle.height);
  }
  grid(context, plot, middle, axisHeight);
  const each = middle.height / now.length;
  now.forEach((one, i) => {
    const band = { top: middle.top + i * each, height: each };
    scale(context, plot, band, one.range, one.kind === "EEG");
    trace(context, plot, band, one.samples, one.range, INK, middle);
    if (i) line(context, 0, band.top, width, band.top, "#c0c0c0");
    title(context, plot, band, one.label);
  });
  aside(context, plot, { top: 0, height: neighbour }, before, range);
  aside(context, plot, { top: height - neighbour, height: neighbour }, after, range);
  line(context, 0, neighbour, width, neighbour, INK, 2);
  line(context, 0, height - neighbour, width, height - neighbour, INK, 2);
}

function grid(context, plot, { top, height }, axisHeight) {
  context.textAlign = "center";
  const step = plot.seconds > 60 ? 10 : 1, labelled = plot.seconds > 60 ? 30 : plot.seconds > 30 ? 10 : 5;
  for (let second = 0; second <= plot.seconds; second += step) {
    const at = plot.left + (second / plot.seconds) * plot.width, five = second % labelled === 0;
    line(context, at, top, at, top + height + (five ? 3 : 0), five ? "#b5b5b5" : "#ebebeb");
    context.fillStyle = INK;
    if (five) context.fillText(second === plot.seconds ? `${second + plot.from} s` : String(second + plot.from), at - (second === plot.seconds ? 6 : 0), top + height + axisHeight - 6);
  }
}

function scale(context, plot, band, range, withLine) {
  const centre = band.top + band.height / 2, y = (value) => centre - plot.up * (value / range) * (band.height / 2);
  const right = plot.left + plot.width;
  line(context, plot.left, centre, right, centre, "#cfcfcf");
  if (withLine && range >= 50) {
    for (const value of [N3_LINE, -N3_LINE]) line(context, plot.left, y(value), right, y(value), "#777", 1, [2, 4]);
  }
  const tick = [500, 200, 100, 50, 20, 10].find((one) => one <= range * 0.8) || range / 2;
  context.textAlign = "right";
  context.font = FONT.replace("12px", "10px");
  context.fillStyle = INK;
  for (const value of [tick, 0, -tick]) {
    if (band.height < 60 && value <= 0) continue;
    line(context, plot.left - 4, y(value), plot.left, y(value), INK);
    context.fillText(value > 0 ? `${value} µV` : String(value).replace("-", "−"), plot.left - 6, y(value));
  }
  line(context, plot.left, y(tick), plot.left, y(-tick), INK, 1.5);
  context.font = FONT;
}

function title(context, plot, band, label) {
  context.textAlign = "left";
  context.lineWidth = 4;
  context.strokeStyle = "white";
  context.strokeText(label, plot.left + 5, band.top + 10);
  context.fillStyle = INK;
  context.fillText(label, plot.left + 5, band.top + 10);
}

function trace(context, plot, band, samples, range, colour, clip) {
  if (!samples || !samples.length) return;
  const centre = band.top + band.height / 2, unit = (plot.up * band.height) / 2 / range, wide = plot.width / samples.length;
  context.save();
  context.beginPath();
  context.rect(plot.left, clip.top, plot.width, clip.height);
  context.clip();
  context.beginPath();
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.lineJoin = "round";
  let pen = false;
  for (let i = 0; i < samples.length; i += 1) {
    const value = samples[i];
    if (Number.isNaN(value)) pen = false;
    else if (pen) context.lineTo(plot.left + (i + 0.5) * wide, centre - value * unit);
    else {
      context.moveTo(plot.left + (i + 0.5) * wide, centre - value * unit);
      pen = true;
    }
  }
  context.stroke();
  context.restore();
}

function aside(context, plot, band, one, range) {
  if (!one) return;
  trace(context, plot, band, one.samples, range, "#555", band);
  context.textAlign = "left";
  context.fillStyle = INK;
  one.label.split("\n").forEach((text, i) => context.fillText(text, 2, band.top + band.height / 2 + (i - 0.5) * 14));
}
