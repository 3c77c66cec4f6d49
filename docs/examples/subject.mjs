// A JavaScript subject of `firefly serve`: reads the task, makes the calls it is told to, and submits an answer.
// npm install @modelcontextprotocol/sdk@1.32.2
// node subject.mjs URL '[["notes_add_note", {"title": "winter rye"}]]' '{"count": 1, "note_id": "note-8e3a7392"}'
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, calls, answer] = process.argv.slice(2);
const client = new Client({ name: "subject.mjs", version: "1.0.0" });
const transport = new StreamableHTTPClientTransport(new URL(url));
await client.connect(transport);
const prompt = await client.getPrompt({ name: "task" });
console.error(prompt.messages[0].content.text);
const { tools } = await client.listTools();
console.error("tools:", tools.map((tool) => tool.name).join(", "));
for (const [name, args] of JSON.parse(calls)) {
  const result = await client.callTool({ name, arguments: args });
  console.error(name, JSON.stringify(result.structuredContent ?? result.content));
}
const submitted = await client.callTool({ name: "submit_answer", arguments: { answer: JSON.parse(answer) } });
console.log(JSON.stringify(submitted.structuredContent ?? submitted.content));
await transport.terminateSession();
await client.close();
