// The folded menu of a narrow window, by keys: opened, it has the keyboard; once one of its links is followed it folds
// away and the page has it. Knows nothing of what is in the menu. Streamlit folds it only in a browser that calls
// itself a phone's, though a narrow window and a page enlarged fourfold have the same menu, and after either step it
// leaves the keyboard on what is out of sight.

const MENU = '[data-testid="stSidebar"]';
const OPEN = '[data-testid="stExpandSidebarButton"]';
const LINK = '[data-testid="stSidebarNavLink"]';
const FOLD = '[data-testid="stSidebarCollapseButton"] button';
const PAGE = '[data-testid="stMain"]';

export function enter(view) {
  view.querySelector(`${MENU} ${LINK}`)?.focus();
}

export function leave(view) {
  const menu = view.querySelector(MENU);
  if (menu?.dataset.collapsed === "false") menu.querySelector(FOLD)?.click();
  view.querySelector(PAGE)?.focus({ preventScroll: true });
}

// Of a click's event: what is to be done of it after Streamlit has had it, nothing for most.
export function clicked(event, view, soon = setTimeout) {
  if (event.target.closest?.(LINK)) soon(() => leave(view));
  else if (event.target.closest?.(OPEN)) soon(() => enter(view));
}

export default function ({ parentElement }) {
  const view = parentElement.ownerDocument;
  if (!parentElement.closeMenu) {
    const listen = (event) => clicked(event, view);
    view.addEventListener("click", listen);
    parentElement.closeMenu = () => view.removeEventListener("click", listen);
  }
  return () => {
    parentElement.closeMenu?.();
    delete parentElement.closeMenu;
  };
}
