"""The built-in nomenclatures: a small set in CSV, written for this project.

One file per `dmp.domain.nomenclatures.Kind`, `;`, UTF-8. Codes are those of the official tables;
labels are ours, in plain French. What is not here is shown by its code.
"""
