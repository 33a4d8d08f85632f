// A button with data-copy copies that text, and says so for two seconds.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // over plain HTTP there is no clipboard: select the text and ask the page to copy it
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});
// The buttons do nothing without this script: until now they are hidden.
for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;
