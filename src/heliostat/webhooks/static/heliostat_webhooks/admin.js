"use strict";
// The preview beside the form; without this script the same button opens it on a page of its own.
document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("heliostat-preview");
    const result = document.getElementById("heliostat-preview-result");
    if (!button || !result) {
        return;
    }
    button.addEventListener("click", async (event) => {
        event.preventDefault();
        result.textContent = "…";
        try {
            const answer = await fetch(button.formAction, {
                method: "POST",
                body: new FormData(button.form),
                headers: {"X-Heliostat-Fragment": "1"},
                redirect: "error",
            });
            if (!answer.ok) {
                throw new Error(`${answer.status} ${answer.statusText}`);
            }
            result.innerHTML = await answer.text(); // escaped by the server's template
        } catch (error) {
            result.textContent = `There is no preview: ${error.message}`;
        }
    });
});
