// Ask the service for a prediction.

/** What is wrong, in words for a person. */
export class Problem extends Error {}

async function detailOf(response) {
  const text = await response.text();
  try {
    return JSON.parse(text).detail;
  } catch {
    return text || `the service answers ${response.status}`;
  }
}

/** The answer for a form; throws a Problem. */
export async function predict(form, signal) {
  let response;
  try {
    response = await fetch("predict?heatmaps=true", { method: "POST", body: form, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("the service does not answer; is it still running?");
  }
  if (!response.ok) throw new Problem(await detailOf(response));
  return response.json();
}

export async function readJson(place) {
  const response = await fetch(place);
  return response.json();
}
