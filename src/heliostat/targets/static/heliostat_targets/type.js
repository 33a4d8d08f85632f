// Show the sections of the chosen type, and the elements of the chosen scheme. What holds a value stays in sight.
const ofScheme = JSON.parse(document.getElementById("elements-of-scheme").textContent);
const form = document.getElementById("id_type").form;

function show() {
  for (const section of form.querySelectorAll("[data-of-type]")) {
    const isChosen = section.dataset.ofType === form.elements.type.value;
    section.hidden = !isChosen && ![...section.querySelectorAll("input, select")].some((input) => input.value);
    if (isChosen && section.dataset.ofType === "NON_SIDEREAL") section.open = true;
  }
  const chosen = ofScheme[form.elements.scheme.value];
  for (const name of new Set(Object.values(ofScheme).flat())) {
    const input = form.elements[name];
    input.closest(".mb-3:not(details)").hidden = Boolean(chosen) && !chosen.includes(name) && !input.value;
  }
}

form.addEventListener("change", show);
show();
