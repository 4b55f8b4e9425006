// The logarithms along the way between two codes as one picture: a line for log p(x|z), and beneath it as a band what the
// prior takes, down to log p(x,z). Knows nothing of decoders or of how the way was walked.
import { written } from "./latent.js";

const STEPS = [5, 10, 20, 50, 100, 200, 500, 1000, 2000];
export const SAMPLES = 61;

// Nats from `low` to 0 with up to four round levels between; holds the least of all sums.
export function levelsOf(sums) {
  const least = Math.min(...sums);
  const step = STEPS.find((size) => -least <= 4 * size) ?? STEPS.at(-1);
  const low = Math.min(-step, Math.floor(least / step) * step);
  return { low, levels: Array.from({ length: Math.round(-low / step) + 1 }, (_, i) => -step * i || 0) };
}

// Paths in a square of 100 by 100, t to the right and nats upwards, from the terms at even steps of t.
export function pathsOf(terms, low) {
  const points = (values) => values.map((value, i) => `${((100 * i) / (values.length - 1)).toFixed(2)} ${((100 * value) / low).toFixed(2)}`);
  const given = points(terms.map(({ logPxGivenZ }) => logPxGivenZ));
  const joint = points(terms.map(({ logPz, logPxGivenZ }) => logPz + logPxGivenZ));
  return {
    line: `M${given.join("L")}`,
    band: `M${given.join("L")}L${[...joint].reverse().join("L")}Z`,
    area: `M0 100L${joint.join("L")}L100 100Z`,
  };
}

export const PROFILE = `<figure class="profile" aria-hidden="true"><div class="plot"><svg viewBox="0 0 100 100" preserveAspectRatio="none"><path
    class="area"/><path class="band"/><path class="line"/></svg><div class="levels small faint numbers"></div><i class="now"></i></div>
  <figcaption class="small faint">Line: log&nbsp;<i>p</i>(<i class="x">x</i>|<i class="z">z</i>) of the pinned <i class="x">x</i> along the way, in nats. The band beneath it is log&nbsp;<i class="prior">p</i>(<i class="z">z</i>); where it ends is log&nbsp;<i>p</i>(<i class="x">x</i>,<i class="z">z</i>).</figcaption></figure>`;

export function drawProfile(figure, terms) {
  const { low, levels } = levelsOf(terms.map(({ logPz, logPxGivenZ }) => logPz + logPxGivenZ));
  for (const [name, path] of Object.entries(pathsOf(terms, low))) figure.querySelector(`.${name}`).setAttribute("d", path);
  figure.querySelector(".levels").innerHTML = levels.map((level) => `<span style="top:${(100 * level) / low}%">${written(level, 0)}</span>`).join("");
}
