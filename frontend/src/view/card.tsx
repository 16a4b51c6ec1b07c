// One cause: what, why, what to type, and how far it spreads.

import type { FindingData } from "../data/contract.ts";
import type { Cause } from "../data/run.ts";
import { nearestStep, type Track, trackOf } from "../data/track.ts";
import { count, testOf } from "../layout/words.ts";
import type { ShownCause } from "../state/causes.ts";
import { type Spread as SpreadOf, spreadOf } from "../state/spread.ts";
import type { Change } from "./app.tsx";
import { box } from "./box.ts";
import { Copy } from "./copy.tsx";

interface Props {
  cause: ShownCause;
  base: Track; // of the first run
  step: number; // selected
  change: Change;
  isMarked: boolean;
  isShort: boolean;
  top: number | null; // null: in the flow of the page
}

export function Card(props: Props) {
  const { cause, change, isMarked, isShort, top } = props;
  const { finding } = cause;
  const quiet = finding.suppressed !== null;
  const track = cause.run.steps === props.base.steps ? props.base : trackOf(cause.run);
  const spread = spreadOf(cause, cause.run, track, Math.max(0, nearestStep(track.steps, props.step)));
  const mark = () => change({ cause: isMarked ? null : finding.key });
  const classes = [
    "card",
    quiet ? "info" : finding.severity,
    isMarked && "marked",
    quiet && "quiet",
    isShort && "short",
  ];
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the heading's button does the same by keyboard.
    <article
      class={classes.filter(Boolean).join(" ")}
      style={top === null ? {} : box({ top })}
      onClick={mark}
    >
      <p class="kind">
        <b>{finding.severity}</b> {finding.code} {finding.rule}
        <Time cause={cause} />
      </p>
      {cause.runs.length > 0 && <p class="runs">{cause.runs.join(", ")}</p>}
      <h2>
        <button
          type="button"
          class="plain"
          aria-pressed={isMarked}
          onClick={(event) => {
            event.stopPropagation();
            mark();
          }}
        >
          {finding.message}
        </button>
      </h2>
      {quiet && <p>Suppressed: {finding.suppressed}</p>}
      {!isShort && !quiet && finding.cause && <p class="why">{finding.cause}</p>}
      {!isShort && !quiet && <Total spread={spread} />}
      {!quiet && finding.fix && <Fix finding={finding} isShort={isShort} />}
      {!isShort && !quiet && <Consequences cause={cause} spread={spread} />}
      {!isShort && finding.source && (
        <p class="source">
          <code>{finding.source}</code> <Copy text={finding.source} label="the source line" />
        </p>
      )}
    </article>
  );
}

function Time({ cause: { finding } }: { cause: Cause }) {
  const parts = [finding.opened > 0 ? `since step ${finding.opened}` : "at step 0"];
  if (finding.worsened.length > 0)
    parts.push(`worse at step ${finding.worsened[finding.worsened.length - 1]}`);
  if (finding.closed !== null) parts.push(`resolved at step ${finding.closed}`);
  return <span class="time">{parts.join(", ")}</span>;
}

function Fix({ finding, isShort }: { finding: FindingData; isShort: boolean }) {
  const { fix } = finding;
  const test = testOf(finding);
  return (
    <div class="fix">
      <span class="label" title={isShort ? test?.words : undefined}>
        Fix{isShort && test ? ` ${test.mark}` : ""}
      </span>
      {!isShort && test && (
        <p class={`test ${test.kind}`}>
          <span aria-hidden="true">{test.mark}</span> <b>Test:</b> {test.words}
        </p>
      )}
      <pre>
        {fix
          .split("\n")
          .slice(0, isShort ? 1 : undefined)
          .map((line, index) => (
            <span class="line" key={index}>
              {breakable(line)}
            </span>
          ))}
      </pre>
      <Copy text={fix} label="the fix" />
    </div>
  );
}

/** Lets a long line of code break after punctuation, and not inside a name. */
function breakable(code: string) {
  return code
    .split(/(?<=[(]|, )/)
    .flatMap((part, index) => (index === 0 ? [part] : [<wbr key={index} />, part]));
}

function Total({ spread }: { spread: SpreadOf | null }) {
  if (spread === null) return null;
  return (
    <p class="total">
      {spread.total > 0 ? `Spreads to ${count(spread.total, "layer")}` : "Spreads to no other layer"}
    </p>
  );
}

function Consequences({ cause, spread }: { cause: ShownCause; spread: SpreadOf | null }) {
  const { downstream, upstream } = spread ?? { downstream: null, upstream: null };
  if (cause.consequences.length === 0 && !downstream && !upstream) return null;
  return (
    <div class="spread">
      <p>Consequences</p>
      <ul>
        {downstream && <li>↓ {downstream}</li>}
        {upstream && <li>↑ {upstream}</li>}
        {cause.consequences.map(({ key, code, message }) => (
          <li key={key} class="consequence">
            {code}: {message}
          </li>
        ))}
      </ul>
    </div>
  );
}
