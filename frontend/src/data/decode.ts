// Base64 to numbers. Typed arrays have the machine's byte order; every machine that runs a current browser is
// little-endian, as the data is.

type NativeBase64 = { fromBase64?: (text: string) => Uint8Array };

/** Returns the float32 numbers in `base64`. Raises an error if it is not base64. */
export function floats(base64: string): Float32Array {
  const native = (Uint8Array as unknown as NativeBase64).fromBase64;
  const bytes = native ? native(base64) : bytesOf(atob(base64));
  const length = bytes.byteLength >> 2;
  if (bytes.byteOffset % 4 === 0) return new Float32Array(bytes.buffer, bytes.byteOffset, length);
  return new Float32Array(bytes.slice().buffer, 0, length);
}

function bytesOf(binary: string): Uint8Array {
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

/** Joins the decoded `parts` to one array of `length` numbers; what is missing is NaN, "not measured". */
export function joined(parts: readonly string[], length: number): Float32Array {
  if (parts.length === 1 && parts[0] !== "") {
    const only = floats(parts[0]);
    if (only.length === length) return only;
  }
  const all = new Float32Array(length).fill(Number.NaN);
  let offset = 0;
  for (const part of parts) {
    const numbers = floats(part);
    all.set(numbers.subarray(0, Math.max(0, length - offset)), offset);
    offset += numbers.length;
  }
  return all;
}
