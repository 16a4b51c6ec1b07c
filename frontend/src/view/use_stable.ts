// Returns the array of an earlier render while its elements are the same, so that what is computed from it is kept.

import { useRef } from "preact/hooks";

export function useStable<T>(values: T[]): T[] {
  const kept = useRef(values);
  const isSame =
    kept.current.length === values.length && kept.current.every((value, index) => value === values[index]);
  if (!isSame) kept.current = values;
  return kept.current;
}
