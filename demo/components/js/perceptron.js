// Residual perceptrons: first → blocks h + outer(silu(inner(silu(h)))) → silu → last. Knows nothing of files.

// out (+)= weight · input + bias. Four outputs by two inputs at a time: measured a third faster than four outputs by one
// and nearly twice as fast as one output by four.
export function affine({ weight, bias, rows, columns }, input, out, add) {
  const wholeRows = rows - (rows % 4);
  const wholeColumns = columns - (columns % 2);
  for (let row = 0; row < wholeRows; row += 4) {
    const a = row * columns;
    const b = a + columns;
    const c = b + columns;
    const d = c + columns;
    let s = bias[row];
    let t = bias[row + 1];
    let u = bias[row + 2];
    let v = bias[row + 3];
    for (let i = 0; i < wholeColumns; i += 2) {
      const h = input[i];
      const g = input[i + 1];
      s += weight[a + i] * h + weight[a + i + 1] * g;
      t += weight[b + i] * h + weight[b + i + 1] * g;
      u += weight[c + i] * h + weight[c + i + 1] * g;
      v += weight[d + i] * h + weight[d + i + 1] * g;
    }
    if (wholeColumns < columns) {
      const h = input[wholeColumns];
      s += weight[a + wholeColumns] * h;
      t += weight[b + wholeColumns] * h;
      u += weight[c + wholeColumns] * h;
      v += weight[d + wholeColumns] * h;
    }
    out[row] = add ? out[row] + s : s;
    out[row + 1] = add ? out[row + 1] + t : t;
    out[row + 2] = add ? out[row + 2] + u : u;
    out[row + 3] = add ? out[row + 3] + v : v;
  }
  for (let row = wholeRows; row < rows; row++) {
    let s = bias[row];
    for (let i = 0, a = row * columns; i < columns; i++) s += weight[a + i] * input[i];
    out[row] = add ? out[row] + s : s;
  }
}

export function silu(input, out) {
  for (let i = 0; i < input.length; i++) out[i] = input[i] / (1 + Math.exp(-input[i]));
}

const layer = (take, name, columns, rows) => ({
  rows,
  columns,
  weight: take(`${name}.weight`, [rows, columns]),
  bias: take(`${name}.bias`, [rows]),
});

// One layer alone, with the same promises as the whole perceptron below.
export function linear(take, name, inputs, outputs) {
  const only = layer(take, name, inputs, outputs);
  return (input, out) => {
    affine(only, input, out, false);
    return out;
  };
}

const NAMES = { first: "first", blocks: "blocks", last: "last" };

// `take(name, shape)` gives the weights of the layers called `names`. → run(input, out), which reads a Float64Array,
// writes into any array of numbers and allocates nothing. Sums are float64.
export function residualPerceptron({ width, blocks }, take, inputs, outputs, names = NAMES) {
  const first = layer(take, names.first, inputs, width);
  const pairs = Array.from({ length: blocks }, (_, i) => [
    layer(take, `${names.blocks}.${i}.inner`, width, width),
    layer(take, `${names.blocks}.${i}.outer`, width, width),
  ]);
  const last = layer(take, names.last, width, outputs);

  const h = new Float64Array(width);
  const active = new Float64Array(width);
  const hidden = new Float64Array(width);
  return (input, out) => {
    affine(first, input, h, false);
    for (const [inner, outer] of pairs) {
      silu(h, active);
      affine(inner, active, hidden, false);
      silu(hidden, active);
      affine(outer, active, h, true);
    }
    silu(h, active);
    affine(last, active, out, false);
    return out;
  };
}
