"""The page that people look at: one self-contained HTML file about a script, its findings and its run."""
