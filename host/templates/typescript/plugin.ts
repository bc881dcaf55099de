// Turns {"f": 212} into {"c": 100}.

import { decode, encode } from "./text";
import type { Message, Outcome, Transform } from "./tidegate";

/** What Tidegate calls. What this module keeps in variables lives until a fault or a reload. */
export const transform: Transform = {
  init(config) {
    if (config !== "" && config !== "{}") throw `this plugin takes no configuration, not ${config}`;
  },

  process(batch) {
    return batch.map((message) => {
      try {
        return convert(message);
      } catch (error) {
        return { tag: "fail", val: `the payload is not JSON: ${(error as Error).message}` };
      }
    });
  },
};

function convert(message: Message): Outcome {
  const parsed: unknown = JSON.parse(decode(message.payload));
  if (parsed === null || typeof parsed !== "object" || !("f" in parsed)) return { tag: "drop" };
  if (typeof parsed.f !== "number") return { tag: "fail", val: "`f` is not a number" };
  const c = Math.round(((parsed.f - 32) / 1.8) * 100) / 100;
  return { tag: "replace", val: encode(JSON.stringify({ c })) };
}
