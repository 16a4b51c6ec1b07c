// Colors as people see them who lack one kind of cone: the matrices for severity 1.0 of Machado, Oliveira and Fernandes,
// "A physiologically-based model for simulation of color vision deficiency", 2009. They apply to linear RGB.

type Triple = [number, number, number];

const MATRICES: Record<string, Triple[]> = {
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

export const KINDS = Object.keys(MATRICES);

/** Returns the linear RGB of `color` (#rrggbb) as seen with a kind of vision. */
export function seenBy(kind: string, color: string): Triple {
  const linear = [1, 3, 5].map((at) =>
    toLinear(Number.parseInt(color.slice(at, at + 2), 16) / 255),
  ) as Triple;
  if (kind === "normal") return linear;
  return MATRICES[kind].map((row) =>
    clamped(row[0] * linear[0] + row[1] * linear[1] + row[2] * linear[2]),
  ) as Triple;
}

/** Returns the distance in CIE Lab (1976) of two linear RGB colors; about 2.3 is just noticeable. */
export function difference(one: Triple, other: Triple): number {
  const [a, b] = [lab(one), lab(other)];
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

/** Returns the contrast ratio of WCAG 2. */
export function contrast(one: string, other: string): number {
  const luminance = (color: string) => {
    const [red, green, blue] = seenBy("normal", color);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function toLinear(value: number): number {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

function clamped(value: number): number {
  return Math.max(0, Math.min(1, value));
}

function lab([red, green, blue]: Triple): Triple {
  const x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047;
  const y = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  const z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883;
  const [fx, fy, fz] = [x, y, z].map((value) =>
    value > 0.008856 ? Math.cbrt(value) : 7.787 * value + 16 / 116,
  );
  return [116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)];
}
