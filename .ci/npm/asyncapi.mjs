// Reads AsyncAPI documents with the parser of the AsyncAPI initiative, and fails on what it calls an error or a warning.
import { Parser, fromFile } from "@asyncapi/parser";

const severities = ["error", "warning", "information", "hint"];
let bad = false;
for (const file of process.argv.slice(2)) {
  const { document, diagnostics } = await fromFile(new Parser(), file).parse();
  for (const { severity, message, path, range } of diagnostics) {
    console.log(`${file}:${range.start.line + 1}: ${severities[severity]}: ${path.join(".")}: ${message}`);
    bad ||= severity <= 1;
  }
  bad ||= !document;
  if (document) {
    console.log(`${file}: ${document.channels().length} channels, ${document.allMessages().length} messages`);
  }
}
process.exit(bad ? 1 : 0);
