"use strict";

// The try-out forms of /docs. Nothing is kept: the key lives in its field until the page is closed.
function url(form) {
  const query = new URLSearchParams();
  let path = form.dataset.path;
  for (const field of form.querySelectorAll("[data-in]")) {
    if (field.dataset.in === "path") path = path.replace(`{${field.name}}`, encodeURIComponent(field.value));
    if (field.dataset.in === "query" && field.value) query.set(field.name, field.value);
  }
  const asked = query.toString();
  return asked ? `${path}?${asked}` : path;
}

function headers(form) {
  const found = {};
  const key = document.getElementById("key").value.trim();
  if (key) found["x-api-key"] = key;
  for (const field of form.querySelectorAll('[data-in="header"]')) if (field.value) found[field.name] = field.value;
  return found;
}

function body(form) {
  const text = form.querySelector("textarea");
  if (text) return text.value;
  const parts = form.querySelectorAll('[data-in="form"]');
  if (!parts.length) return undefined;
  const data = new FormData();
  for (const field of parts) {
    if (field.type === "file" && field.files.length) data.set(field.name, field.files[0]);
    if (field.type !== "file" && field.value) data.set(field.name, field.value);
  }
  return data;
}

function shown(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function send(form) {
  const output = form.querySelector("output");
  output.textContent = "...";
  const begun = performance.now();
  try {
    const answer = await fetch(url(form), { method: form.dataset.method, headers: headers(form), body: body(form) });
    const text = await answer.text();
    output.textContent = `HTTP ${answer.status}, ${Math.round(performance.now() - begun)} ms\n${shown(text)}`;
  } catch (error) {
    output.textContent = `No answer: ${error.message}`;
  }
}

document.addEventListener("submit", (event) => {
  event.preventDefault();
  send(event.target);
});
