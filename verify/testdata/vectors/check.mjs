// Reads webhooks from standard input, one JSON object a line, and writes for each
// "ok" or why the provider's library refuses it. TestOfficialLibraries drives it.
import readline from "node:readline";
import { accepts } from "./sdks.mjs";

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
