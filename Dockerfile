# The site alone: no torch, no training data, no network at run time. Build: docker build -t biggest-enemy .
FROM python:3.13-slim

# One heap for all threads, and what is free goes back (demo/memory.py does what it can where these are not).
ENV MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=16777216 MALLOC_TRIM_THRESHOLD_=2097152
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /site
COPY requirements.txt .
RUN pip install -r requirements.txt && useradd --create-home --uid 10001 visitor
COPY streamlit_app.py LICENSE ./
COPY .streamlit .streamlit
COPY demo demo

USER 10001
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
# With an address of its own Streamlit does not ask the network for one at its start.
CMD ["streamlit", "run", "streamlit_app.py", "--server.address=0.0.0.0", "--server.port=8501", \
    "--server.headless=true", "--browser.serverAddress=localhost"]
