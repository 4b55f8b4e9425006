// For who opens index.html as a file: browsers load no modules from files. Plain script, so that it runs there too.
if (location.protocol === "file:") {
  const notice = document.querySelector(".notice");
  notice.textContent = "Browsers run this page only from a server. In this folder type: python -m http.server, and open http://localhost:8000.";
  notice.hidden = false;
}
