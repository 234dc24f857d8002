// Light or dark: as the system has it, or as someone chose.

const THEMES = { auto: ["◐", "as the system's"], light: ["☀", "light"], dark: ["☾", "dark"] };

export function followTheme(button) {
  const names = Object.keys(THEMES);
  const set = (name) => {
    document.documentElement.dataset.theme = name;
    button.textContent = THEMES[name][0];
    button.setAttribute("aria-label", `Colours of the page: ${THEMES[name][1]}`);
  };
  set(names.includes(read()) ? read() : "auto");
  button.onclick = () => {
    const next = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
    set(next);
    try {
      localStorage.setItem("theme", next);
    } catch {
      // a private window keeps nothing
    }
  };
}

function read() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null;
  }
}
