// openapi.json as a page: what can be asked, and what is answered.

function element(tag, text = "", ...children) {
  const made = document.createElement(tag);
  made.append(text, ...children);
  return made;
}

function table(head, rows) {
  const row = (cells, tag) => element("tr", "", ...cells.map((cell) => element(tag, cell)));
  const made = element("table", "", element("thead", "", row(head, "th")), element("tbody", "", ...rows.map((cells) => row(cells, "td"))));
  const wide = element("div", "", made);
  wide.className = "wide";
  return wide;
}

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.prefixItems) return `${schema.prefixItems.length} numbers`;
  if (schema.items) return `list of ${typeOf(schema.items)}`;
  if (schema.additionalProperties) return `by name, ${typeOf(schema.additionalProperties)}`;
  return schema.contentMediaType ? "file" : (schema.type ?? "any");
}

const fieldsOf = (schema) => Object.entries(schema.properties ?? {}).map(
  ([name, field]) => [name, typeOf(field), field.description ?? ""],
);

function asked(operation) {
  const form = Object.values(operation.requestBody?.content ?? {}).map((content) => fieldsOf(content.schema));
  const query = (operation.parameters ?? []).map((one) => [`${one.in}: ${one.name}`, typeOf(one.schema), one.description ?? ""]);
  const rows = [...query, ...form.flat()];
  return rows.length ? [table(["Field", "Type", "Meaning"], rows)] : [];
}

function answered(operation) {
  const rows = Object.entries(operation.responses).map(([status, { description, content }]) =>
    [status, Object.values(content ?? {}).map(({ schema }) => typeOf(schema ?? {})).join(", "), description]);
  return table(["Status", "Body", "Meaning"], rows);
}

const about = await (await fetch("openapi.json")).json();
document.getElementById("example").textContent =
  `curl -F file=@radiograph.png -F age=58 -F gender=F -F view=PA ${new URL("predict", location)}`;
document.getElementById("operations").replaceChildren(
  ...Object.entries(about.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) => [
      element("h2", `${method.toUpperCase()} ${path}`),
      element("p", operation.description ?? ""),
      ...asked(operation),
      answered(operation),
    ])),
  ...Object.entries(about.components.schemas).flatMap(([name, schema]) => [
    element("h2", name),
    element("p", schema.description ?? ""),
    table(["Field", "Type", "Meaning"], fieldsOf(schema)),
  ]),
);
