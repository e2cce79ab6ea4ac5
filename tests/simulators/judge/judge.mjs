// Creem's official client, told by test_creem_judge.py what to ask the simulator and what to read.
// In: {base_url, api_key, webhook_secret, calls: [[method, ...arguments]], events: [{headers, body}]}
// Out: {answers, events}, each a list of {value} or {error}. Bodies are base64: bytes are what counts.
import { Creem } from "creem";
import { parseWebhookEventEntity, verifyWebhookSignature } from "creem/webhooks";

async function attempt(work) {
  try {
    return { value: await work() };
  } catch (error) {
    return { error: `${error.name}: ${error.message}`.slice(0, 20_000), status: error.statusCode };
  }
}

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const wish = JSON.parse(Buffer.concat(chunks).toString());
const client = new Creem({ apiKey: wish.api_key, serverURL: wish.base_url });

const answers = [];
for (const [method, ...words] of wish.calls) {
  const [area, verb] = method.split(".");
  answers.push(
    await attempt(async () => {
      const value = await client[area][verb](...words.map((word) => word ?? undefined));
      return value?.result ?? value; // lists come as pages
    }),
  );
}

const events = [];
for (const { headers, body } of wish.events) {
  const bytes = new Uint8Array(Buffer.from(body, "base64"));
  events.push(
    await attempt(async () => {
      await verifyWebhookSignature(bytes, headers, wish.webhook_secret);
      return parseWebhookEventEntity(bytes);
    }),
  );
}
process.stdout.write(JSON.stringify({ answers, events }));
