// Reads webhooks from standard input, one JSON object a line, and writes for each
// "ok" or why the provider's library refuses it. Its first line tells which
// providers it knows, and how to try them. TestOfficialLibraries drives it.
import readline from "node:readline";
import { categories } from "./lib.mjs";
import * as sdks from "./sdks.mjs";

const accepts = { ...sdks.accepts }, trials = { ...sdks.trials };
for (const category of await categories()) {
  Object.assign(accepts, category.accepts);
  Object.assign(trials, category.trials);
}
console.log(JSON.stringify(Object.fromEntries(Object.keys(accepts).map((provider) => {
  const trial = { sign: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ...trials[provider] };
  return [provider, { check: trial.sign, bodies: ["JSON", "form", "empty", "large"], ...trial }];
}))));

for await (const line of readline.createInterface({ input: process.stdin })) {
  const hook = JSON.parse(line);
  hook.body = Buffer.from(hook.body_base64, "base64");
  try {
    await accepts[hook.provider](hook);
    console.log("ok");
  } catch (err) {
    console.log(`refused: ${String(err.message).split("\n")[0]}`);
  }
}
