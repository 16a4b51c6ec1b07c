// The page while there is no run to show: one sentence, and what can be done.

import type { Change } from "./app.tsx";
import type { Picker } from "./toolbar.tsx";

interface Props {
  message: string;
  reload: (() => void) | null;
  picker?: Picker;
  change?: Change;
}

export function Empty({ message, reload, picker, change }: Props) {
  return (
    <main class="empty">
      <h1>Init Health</h1>
      <p role="status">{message}</p>
      {picker && change && picker.entries.length > 1 && (
        <label>
          Other runs{" "}
          <select onChange={(event) => change({ run: event.currentTarget.value, compare: [] })}>
            <option>Choose …</option>
            {picker.entries.map((entry) => (
              <option key={entry.run}>{entry.run}</option>
            ))}
          </select>
        </label>
      )}
      {reload && (
        <button type="button" onClick={reload}>
          Reload
        </button>
      )}
    </main>
  );
}
