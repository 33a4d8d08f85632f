// Bootstrap asks for its colours by attribute; the visitor's system says which.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const dress = () => { document.documentElement.dataset.bsTheme = dark.matches ? "dark" : "light"; };
dark.addEventListener("change", dress);
dress();
